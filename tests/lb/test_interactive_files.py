# SPDX-License-Identifier: Apache-2.0
"""The files of a job of GET /v1/connect, in the memory of the balancer."""
import pytest

from fixtures.events import kinds
from fixtures.http_client import JOB
from fixtures.interactive import Program, Session, assert_all_is_free
from fixtures.stand_in_worker import Slot

MIB = 1 << 20
CANCELED = {"type": "/problems/canceled", "title": "x", "status": 499, "detail": "x"}
LARGE_JOB = {**JOB, "files": {"large": "x" * (16 * MIB)}}


@pytest.fixture(autouse=True)
def _freed_memory_is_free(monkeypatch):
    """In a sanitized build as well."""
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")


def give_up(program):
    """Wait for the cancellation, and obey."""
    while program.receive()[0] != "cancel":
        pass
    program.slot.send_message(type="error", id=program.id, problem=CANCELED)
    program.slot.ready()


def begin(balancer, slot):
    session = Session(balancer.address, LARGE_JOB)
    assert kinds([session.event(), session.event()]) == ["queued", "started"]
    return session


def leave_before_there_is_a_worker(balancer, _):
    session = Session(balancer.address, {**LARGE_JOB, "image": "of-no-worker:1"})
    session.event("queued")
    session.close()


def leave_in_the_queue(balancer, _):
    session = Session(balancer.address, {**LARGE_JOB, "image": "of-no-slot:1"})
    session.event("queued")
    session.close()


def leave_while_the_files_are_sent(balancer, slot):
    begin(balancer, slot).close()
    while isinstance(message := slot.receive(), bytes) or message["type"] != "cancel":
        pass
    slot.send_message(type="error", id=message["id"], problem=CANCELED)
    slot.ready()


def leave_while_the_program_runs(balancer, slot):
    session = begin(balancer, slot)
    program = Program(slot)
    session.type("input")
    assert program.read(5) == b"input"
    session.close()
    give_up(program)


def leave_after_the_program(balancer, slot):
    session = begin(balancer, slot)
    Program(slot).exit(files=[("result", b"x" * MIB)])
    session.event("file")
    session.close()


@pytest.mark.parametrize(
    "leave",
    [
        leave_before_there_is_a_worker,
        leave_in_the_queue,
        leave_while_the_files_are_sent,
        leave_while_the_program_runs,
        leave_after_the_program,
    ],
)
def test_the_files_of_a_job_are_freed_when_its_client_leaves(start_balancer, leave):
    balancer = start_balancer("--gather-ms", "600000")
    _, slot = balancer.worker(live=1)
    queue = balancer.register("h2", ["of-no-slot:1"], live=1)
    leave(balancer, slot)
    assert_all_is_free(balancer)
    before = balancer.anonymous_memory()
    for _ in range(6):
        leave(balancer, slot)
        assert_all_is_free(balancer)
    assert balancer.anonymous_memory() - before < 40 * MIB
    queue.close()


def test_a_client_that_reads_nothing_does_not_make_the_balancer_keep_its_files(start_balancer):
    balancer = start_balancer()
    _, slot = balancer.worker(live=1)
    before = balancer.anonymous_memory()
    readers = []
    for _ in range(6):
        readers.append(begin(balancer, slot))
        Program(slot).exit(files=[("result", b"y" * (3 * MIB))])
        balancer.wait_for(ready=1)
    assert balancer.anonymous_memory() - before < 60 * MIB
    for reader in readers:
        reader.close()
    assert_all_is_free(balancer)
