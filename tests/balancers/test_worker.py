# SPDX-License-Identifier: Apache-2.0
"""A real worker of several balancers, which stand-ins play."""
import contextlib
import itertools
import socket
import threading
import time

import pytest

from fixtures import engine
from fixtures.slot_balancer import SlotBalancer
from fixtures.stand_in_worker import Closed
from fixtures.waiting import Background, eventually
from fixtures.worker import Worker

IMAGE = "busybox:1.35"


class Balancers:
    """Two balancers, and a worker with one slot, which is offered to both."""

    def __init__(self, **second):
        self.first, self.second = SlotBalancer(), SlotBalancer(**second)
        self.worker = Worker(
            self.first.url, "--server", self.second.url, *engine.OPTIONS, "--ahead", "0", slots=1
        )

    def start(self):
        self.worker.start()
        second = Background(self.second.slot)  # both have to answer pings while the VM is made
        return self.first.slot(), second.done()

    def close(self):
        self.worker.close()
        self.first.close()
        self.second.close()


@pytest.fixture
def balancers():
    pair = Balancers()
    yield pair
    pair.close()


@pytest.fixture
def older():
    """The second balancer is of the version before."""
    pair = Balancers(welcomes=False)
    yield pair
    pair.close()


def run(slot, cmd):
    return slot.start(cmd, watch=False)


def test_the_first_balancer_gets_the_slot_and_the_other_is_told_at_once(balancers):
    one, two = balancers.start()
    assert one.ready["shared"] == two.ready["shared"] == 1
    assert balancers.first.hello.get(timeout=60)["host"] == balancers.second.hello.get()["host"]
    job = run(one, "sleep 1; echo one")
    two.wait_for("withdraw")
    assert job.result is None
    assert job.end().stdout == b"one\n"
    one.wait_ready(IMAGE)
    two.wait_ready(IMAGE)
    job = run(two, "echo two")
    one.wait_for("withdraw")
    assert job.end().stdout == b"two\n"


def test_of_two_jobs_that_cross_one_runs_and_the_other_is_given_back(balancers):
    one, two = balancers.start()
    jobs = {one: run(one, "echo one"), two: run(two, "echo two")}
    answers = {slot: skip_ready(slot) for slot in jobs}
    (winner,) = [slot for slot, answer in answers.items() if answer["type"] == "result"]
    (loser,) = [slot for slot in jobs if slot is not winner]
    jobs[winner].take_result(answers[winner])
    assert jobs[winner].stdout == (b"one\n" if winner is one else b"two\n")
    assert answers[loser]["type"] == "withdraw"
    assert loser.wait_for("return")["id"] == jobs[loser].id
    loser.wait_ready(IMAGE)
    assert run(loser, "echo again").end().stdout == b"again\n"


def skip_ready(slot):
    """The next message that is not `ready`."""
    while (message := slot.receive())["type"] == "ready":
        pass
    return message


def test_an_older_balancers_job_runs_next(older):
    one, two = older.start()
    first = run(one, "sleep 1; echo one")
    second = run(two, "echo two")
    assert first.end().stdout == b"one\n"
    second.take_result(skip_ready(two))
    assert second.stdout == b"two\n"


def test_a_balancer_that_dies_takes_only_its_own_job_with_it(balancers):
    one, two = balancers.start()
    run(one, "sleep 100")
    two.wait_for("withdraw")
    one.sock.shutdown(socket.SHUT_RDWR)
    two.wait_ready(IMAGE)
    assert run(two, "echo two").end().stdout == b"two\n"
    again = balancers.first.slot()
    two.wait_ready(IMAGE)
    assert run(again, "echo one").end().stdout == b"one\n"


def test_a_worker_works_for_one_balancer_while_the_other_is_away(balancers):
    port = balancers.first.listener.getsockname()[1]
    balancers.first.close()
    balancers.worker.start()
    two = balancers.second.slot()
    assert run(two, "echo two").end().stdout == b"two\n"
    balancers.first = SlotBalancer(port)
    one = balancers.first.slot()
    two.wait_ready(IMAGE)
    assert run(one, "echo one").end().stdout == b"one\n"
    balancers.worker.wait_for_log(f"balancer http://127.0.0.1:{port}: ")


class Busy:
    """A balancer that always has jobs. It sends one when the slot is offered or, as a liar, all the time."""

    numbers = itertools.count()

    def __init__(self, slot, is_liar=False):
        self.slot, self.is_liar, self.results, self.stopped = slot, is_liar, 0, False
        self.threads = [threading.Thread(target=self.listen)]
        self.threads += [threading.Thread(target=self.flood)] if is_liar else []
        for thread in self.threads:
            thread.start()

    def send_job(self):
        name = f"busy-{next(self.numbers)}"
        spec = {"image": IMAGE, "cmd": ["true"], "timeout_ms": 60000}
        self.slot.send_message(type="job", id=name, job=spec, queue_us=0, parts=[])
        self.slot.send_message(type="end", id=name)

    def listen(self):
        with contextlib.suppress(Closed, OSError):
            if not self.is_liar:
                self.send_job()
            while not self.stopped:
                message = self.slot.receive()
                kind = message["type"] if isinstance(message, dict) else "bytes"
                self.results += kind == "result"
                if kind == "ready" and not self.is_liar:
                    self.send_job()

    def flood(self):
        with contextlib.suppress(OSError):
            while not self.stopped:
                self.send_job()
                time.sleep(0.001)


def test_a_balancer_that_sends_jobs_without_being_asked_does_not_get_more_than_the_other(balancers):
    one, two = balancers.start()
    honest, liar = Busy(one), Busy(two, is_liar=True)
    eventually(lambda: honest.results + liar.results >= 40, "40 jobs have run")
    honest.stopped = liar.stopped = True
    got = honest.results, liar.results
    balancers.worker.close()
    for thread in honest.threads + liar.threads:
        thread.join()
    assert got[0] > sum(got) / 4, got
