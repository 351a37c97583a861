# SPDX-License-Identifier: Apache-2.0
"""The fixtures of other suites, with VMs of User Mode Linux. `make uml-kernel` compiles the kernel."""
import tempfile

import pytest

from fixtures.service import Service
from fixtures.vm import GuestBench, UmlGuest
from fixtures.worker import UML


@pytest.fixture(scope="session")
def guest(no_process_is_left):
    """As the fixture of this name in tests/conftest.py."""
    with tempfile.TemporaryDirectory(prefix="pe-test-guest-") as folder:
        yield GuestBench(folder, UmlGuest)


@pytest.fixture(scope="session")
def shared_service(no_process_is_left):
    """As the fixture of this name in tests/conftest.py."""
    service = Service(*UML)
    yield service
    service.end()


@pytest.fixture(scope="session")
def small_service(no_process_is_left):
    """As the fixture of this name in tests/conftest.py."""
    service = Service(*UML, "--memory", "256", slots=1)
    yield service
    service.end()
