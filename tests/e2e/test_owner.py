# SPDX-License-Identifier: Apache-2.0
"""What the owner of a host gives to the worker: hours, CPUs and memory."""
import contextlib
import os
import time

import pytest

from fixtures import processes
from fixtures.spare_host import SpareHost
from fixtures.waiting import Background, eventually
from fixtures.wall_clock import WallClock
from fixtures.worker_status import ask, status

NIGHT, NOON = 21 * 3600, 12 * 3600


@pytest.fixture
def start(tmp_path):
    """A function that starts a host whose worker has these options."""
    hosts = []

    def begin(*options, **named):
        hosts.append(SpareHost(tmp_path, *options, **named))
        return hosts[-1]

    yield begin
    for host in hosts:
        host.close()


class Clock(WallClock):
    """The wall clock of the worker, in UTC."""

    def show(self, seconds):
        """Let it be this time of the day."""
        self.set(seconds - time.time() % 86400)


@pytest.fixture
def clock(tmp_path, monkeypatch):
    clock = Clock(str(tmp_path))
    for name, value in {**clock.environment, "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)
    clock.show(NIGHT)
    return clock


def wait_for_pause(host):
    eventually(lambda: status(host.worker)["state"] == "paused", "the worker pauses")
    eventually(lambda: not host.worker.vmms(), "it has no VMs")


def test_a_worker_runs_jobs_only_in_the_hours_of_its_owner(start, clock):
    host = start("--hours", "20:00-08:00").begin()
    assert host.run("echo night").stdout == b"night\n"
    clock.show(NOON)
    wait_for_pause(host)
    assert "paused since" in (said := ask(host.worker).stdout) and "(outside of the owner's" in said
    host.wait_until(lambda health: health["slots"] == 0 and health["hosts"] == 1, "no slot is left")
    job = Background(host.run, "echo next night")
    assert status(host.worker)["balancers"][0]["state"] == "connected"
    clock.show(NIGHT)
    assert job.done().stdout == b"next night\n"
    assert status(host.worker)["state"] == "working"


def test_a_worker_that_starts_outside_of_the_hours_waits(start, clock):
    clock.show(NOON)
    host = start("--hours", "20:00-08:00")
    host.admit()
    host.worker.start()
    host.wait_until(lambda health: health["hosts"] == 1, "it is registered")
    wait_for_pause(host)
    assert host.health()["slots"] == 0
    clock.show(NIGHT)
    assert host.run("echo night").stdout == b"night\n"


def test_a_job_that_runs_when_a_pause_begins_may_end(start, clock):
    host = start("--hours", "20:00-08:00").begin()
    job = Background(host.run, "sleep 3; echo done")
    host.wait_until_running()
    clock.show(NOON)
    assert job.done().stdout == b"done\n"
    wait_for_pause(host)
    assert host.metric("pe_jobs_lost_total") == 0


def test_a_job_that_outlasts_the_grace_of_a_pause_is_given_back_and_runs_later(start, clock):
    host = start("--hours", "20:00-08:00", "--pause-grace", "0").begin()
    job = Background(host.run, "sleep 5; echo done")
    host.wait_until_running()
    clock.show(NOON)
    wait_for_pause(host)
    host.wait_until(lambda health: health["queued"] == 1, "the job waits again")
    clock.show(NIGHT)
    assert job.done().stdout == b"done\n"


class Session:
    """What logind says of the sessions of the host."""

    def __init__(self, folder):
        self.answer, program = folder / "answer", folder / "bin" / "loginctl"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexec cat {self.answer}\n")
        program.chmod(0o755)
        self.path = str(program.parent)
        self.be_idle(False)

    def be_idle(self, idle):
        self.answer.write_text(f"IdleHint={'yes' if idle else 'no'}\n")


@pytest.fixture
def session(tmp_path, monkeypatch):
    session = Session(tmp_path)
    monkeypatch.setenv("PATH", session.path, prepend=os.pathsep)
    return session


# The machine of the tests is never idle, and has terminals that other tests type at.
IDLE_ONLY = ("--idle-only", "--idle-after", "2", "--idle-cpu", "100")
NO_TERMINALS = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs x /dev/pts && exec "$@"', "sh")


def test_a_worker_pauses_while_the_owner_works_and_returns_by_itself(start, session):
    host = start(*IDLE_ONLY, wrapper=NO_TERMINALS)
    host.admit()
    host.worker.start()
    eventually(lambda: "logind" in ask(host.worker).stdout, "it knows that the owner works", 300)
    assert status(host.worker)["state"] == "paused" and host.health()["slots"] == 0
    job = Background(host.run, "sleep 1; echo idle")
    session.be_idle(True)
    assert job.done().stdout == b"idle\n"
    job = Background(host.run, "sleep 4; echo finished")
    host.wait_until_running()
    session.be_idle(False)
    assert job.done().stdout == b"finished\n"
    wait_for_pause(host)
    assert "the owner works here" in status(host.worker)["reason"]


def test_a_worker_for_idle_hosts_is_nicer_than_others(start, session):
    session.be_idle(True)
    host = start(*IDLE_ONLY, wrapper=NO_TERMINALS).begin()
    root = host.worker.process.pid
    assert host.run("echo nice").stdout == b"nice\n"
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in (root, *host.worker.vmms())} == {19}


def test_all_processes_of_a_worker_use_only_the_cpus_of_its_owner(start):
    own = sorted(os.sched_getaffinity(0))
    host = start("--cores", "1", slots=None).begin()
    assert len(status(host.worker)["slots"]) == 1
    assert host.run("echo one").stdout == b"one\n"
    root = host.worker.process.pid
    used = []
    for pid in (root, *processes.descendants(root)):
        with contextlib.suppress(ProcessLookupError):  # the VM of the job ends meanwhile
            used.append(os.sched_getaffinity(pid))
    assert len(used) > 3 and all(cpus == {own[-1]} for cpus in used)


def test_a_worker_has_only_as_many_slots_as_fit_into_the_memory_of_its_owner(start):
    host = start("--memory", "256", "--templates", "0", "--memory-total", "1400", slots=8)
    host.slots = 2
    host.begin()
    assert len(status(host.worker)["slots"]) == 2
    assert "--memory-total 1400 MiB is enough for 2 VMs of 588 MiB" in host.worker.log()
    assert host.run("echo fits").stdout == b"fits\n"


def test_wrong_decisions_of_an_owner_are_refused_with_the_way_to_write_them(start):
    for options, text in (
        (["--hours", "20-08"], "as in 20:00-08:00"),
        (["--cores", "1000"], "that may be used here"),
        (["--cores", "x"], "a number of CPUs"),
        (["--idle-after", "0"], "--idle-after must be between"),
        (["--idle-cpu", "101"], "--idle-cpu must be between"),
        (["--pause-grace", "9999"], "--pause-grace must be at most"),
        (["--memory-total", "300"], "use more, or a smaller --memory"),
    ):
        host = start(*options)
        host.worker.start()
        assert host.worker.process.wait(300) == 1
        assert text in host.worker.log()
