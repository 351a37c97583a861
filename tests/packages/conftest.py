# SPDX-License-Identifier: Apache-2.0
"""Packages that are built once for all tests of this suite."""
import functools

import pytest

from fixtures.debian_packages import RELEASES, Builder


@functools.cache
def built(system):
    made = Builder(system)
    made.build()
    return made


@pytest.fixture(scope="module", params=RELEASES)
def builder(request):
    return built(request.param)


@pytest.fixture(scope="module")
def debian12_builder():
    return built("debian12")
