# SPDX-License-Identifier: Apache-2.0
import pytest

from fixtures import engine
from fixtures.far_service import FarService


@pytest.fixture(scope="session")
def shared_far_service(no_process_is_left):
    service = FarService(*engine.OPTIONS)
    yield service
    service.end()


@pytest.fixture
def far(shared_far_service):
    """A service with a network that the test can make bad. It is good again after the test, with all
    slots ready and nothing left."""
    yield shared_far_service
    shared_far_service.heal()
    shared_far_service.wait_for_full_capacity()
    shared_far_service.assert_nothing_is_left()
