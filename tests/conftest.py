# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all suites, selection of tests by name and engine, and logs in the report of a failure."""
import os
import pathlib
import re
import signal
import tempfile
import threading

import pytest

from fixtures import engine, processes
from fixtures.balancer import Balancer, Port
from fixtures.certificates import make_certificate
from fixtures.far_service import FarService
from fixtures.piston import Piston
from fixtures.processes import Log
from fixtures.registry import Registry
from fixtures.service import Service
from fixtures.vm import GuestBench
from fixtures.vmm import VmmBench
from fixtures.wall_clock import WallClock

# A shell without job control ignores some of these signals in what it starts in the background, nohup ignores
# SIGHUP, and a program inherits that. Tests send them to programs. Only the main thread may do this. The
# processes of pytest-xdist inherit it from the first one, and execnet 1.9 runs the tests of some of
# them in another thread: in all whose main thread has not quite ended its task before.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tmp_path():
    """An empty folder that is removed after the test. Its path is short, since the path of a UNIX
    socket may have only 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pe-test-", ignore_cleanup_errors=True) as folder:
        yield pathlib.Path(folder)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """The wall clock of the programs that the test starts, which it can set."""
    clock = WallClock(str(tmp_path))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    return clock


# ---- selection and reports ----


def searchable(text):
    """A test's name or a part of it: case, punctuation and the kind of spaces do not matter."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", ""))


def runs_with_the_engine(item):
    """Whether a test runs in this pass: its markers only_with and each_engine decide."""
    demands = [marker.args for marker in item.iter_markers("only_with")]
    assert all(reason for _, reason in demands), f"{item.name}: only_with(PROPERTY, REASON)"
    return engine.runs([what for what, _ in demands], item.get_closest_marker("each_engine"))


def pytest_collection_modifyitems(config, items):
    """PE_TEST is part of the name of the tests to run. A test that does not run with the engine of
    this pass is left out here, and counted as deselected."""
    wanted = searchable(os.environ.get("PE_TEST", ""))
    chosen = [
        item for item in items if wanted in searchable(item.name) and runs_with_the_engine(item)
    ]
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


def end_all(started):
    """End everything, the latest first, also when one of them fails."""
    errors = []
    for one in reversed(started):
        try:
            one.end()
        except BaseException as error:
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left():
    """Nothing that a test started runs on when the tests have ended. Orphans count, too: they
    become children of this process. The other fixtures of a session ask for this one, so that they
    end first."""
    processes.adopt_orphans()
    yield
    left = processes.descendants(os.getpid())
    names = [processes.command_line(pid) for pid in left if processes.is_running(pid)]
    for pid in left:
        processes.kill_hard(pid)
    assert not names, "processes that a test left behind"


# ---- the balancer ----


@pytest.fixture
def start_balancer():
    """A function that starts a balancer with these options. All of them end with the test."""
    started = []

    def start(*options, **named):
        started.append(Balancer(*options, **named))
        return started[-1]

    yield start
    end_all(started)


@pytest.fixture
def start_tls_balancer(start_balancer, tmp_path):
    """A function that starts a balancer that also listens with TLS, at its address `tls`."""
    ports = []

    def start(*options):
        make_certificate("first.example", f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")
        ports.append(Port())
        tls = f"127.0.0.1:{ports[-1].number}"
        files = ("--tls-cert", f"{tmp_path}/cert.pem", "--tls-key", f"{tmp_path}/key.pem")
        balancer = start_balancer("--listen-tls", tls, *files, *options)
        balancer.tls = tls
        return balancer

    yield start
    for port in ports:
        port.close()


@pytest.fixture
def balancer(start_balancer):
    """A balancer without workers."""
    return start_balancer()


@pytest.fixture
def registry(tmp_path):
    """A registry of container images."""
    registry = Registry(f"{tmp_path}/registry")
    yield registry
    registry.end()


# ---- the service: balancer, worker and VMs ----


@pytest.fixture(scope="session")
def shared_service(no_process_is_left):
    """The service that most tests share; see `service`."""
    service = Service(*engine.OPTIONS)
    yield service
    service.end()


@pytest.fixture(scope="session")
def small_service(no_process_is_left):
    """A service whose jobs may use only 256 MiB of memory, so that a test uses it up quickly."""
    service = Service(*engine.OPTIONS, "--memory", "256", slots=1)
    yield service
    service.end()


@pytest.fixture
def service(shared_service):
    """A balancer and a worker with two slots, shared by many tests. A test may end or kill their
    processes, if it starts them again."""
    return shared_service


@pytest.fixture(scope="session")
def piston(no_process_is_left):
    """A service with longer limits for Piston's API."""
    service = Piston(*engine.OPTIONS)
    yield service
    service.end()


@pytest.fixture
def start_service():
    """A function that starts a service of the test's own, with these options of pe-worker."""
    started = []

    def start(*worker_options, **named):
        started.append(Service(*engine.OPTIONS, *worker_options, **named))
        return started[-1]

    yield start
    end_all(started)


# ---- the service, with bad networks ----


@pytest.fixture(scope="session")
def shared_far_service(no_process_is_left):
    service = FarService(*engine.OPTIONS)
    yield service
    service.end()


@pytest.fixture
def far(shared_far_service):
    """A service with a network that the test can make bad; see FarService. It is good again after the
    test, with all slots ready and nothing left."""
    yield shared_far_service
    shared_far_service.heal()
    shared_far_service.wait_for_full_capacity()
    shared_far_service.assert_nothing_is_left()


# ---- a single VM ----


@pytest.fixture(scope="session")
def guest(no_process_is_left):
    """Boots VMs with a busybox image, each for one job of a test; see GuestBench."""
    with tempfile.TemporaryDirectory(prefix="pe-test-guest-") as folder:
        yield GuestBench(folder)


@pytest.fixture(scope="session")
def vmm(no_process_is_left):
    """Walks through the VMM drivers; see VmmBench."""
    bench = VmmBench()
    yield bench
    bench.close()
