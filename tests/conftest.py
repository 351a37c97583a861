"""Fixtures of all suites, the selection of tests by PE_TEST, and logs in the report of a failure."""
import os
import re

import pytest

from fixtures.balancer import Balancer
from fixtures.processes import Log


# ---- selection and reports ----


def searchable(text):
    """A test's name or a part of it: case, punctuation and the kind of spaces do not matter."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", ""))


def pytest_collection_modifyitems(config, items):
    """PE_TEST is part of the name of the tests to run."""
    wanted = searchable(os.environ.get("PE_TEST", ""))
    chosen = [item for item in items if wanted in searchable(item.name)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_runtest_setup(item):
    Log.begin_test()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped:  # every test has to run
        report.outcome = "failed"
    if report.failed:
        report.sections += [(f"log of {name}", text) for name, text in Log.reports()]


# ---- the balancer ----


@pytest.fixture
def start_balancer():
    """A function that starts a balancer with these options. All of them end with the test."""
    started = []

    def start(*options, **named):
        started.append(Balancer(*options, **named))
        return started[-1]

    yield start
    errors = []
    for balancer in reversed(started):
        try:
            balancer.end()
        except BaseException as error:  # the others have to end, too
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def balancer(start_balancer):
    """A balancer without workers."""
    return start_balancer()
