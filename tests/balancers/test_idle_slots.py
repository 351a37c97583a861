# SPDX-License-Identifier: Apache-2.0
"""No job waits at a balancer while a slot is idle, however the jobs are spread over the balancers: two of
them, and stand-ins for hosts that offer each slot to both. A job ends when the test says so. A job that waits
although there is an idle slot would therefore wait until the test gives up."""
import contextlib
import random

import pytest

from fixtures.shared_host import SharedHost
from fixtures.stand_in_worker import Slot
from fixtures.waiting import Background, eventually

HOSTS, SLOTS = 2, 2
ALL_SLOTS = HOSTS * SLOTS


def job(name):
    return {"image": "gcc:14", "cmd": ["echo", name], "cache": False}


class PatientHost(SharedHost):
    """Its jobs run until their names are in `ended`, which all hosts share."""

    def __init__(self, name, addresses, ended):
        self.ended_jobs, self.running = ended, set()  # names of jobs
        super().__init__(name, addresses, SLOTS)

    def work(self, connection, command):
        self.running.add(command[-1])
        try:
            while command[-1] not in self.ended_jobs:
                with contextlib.suppress(TimeoutError):
                    connection.receive(0.02)  # answers pings, and notices the end of the balancer
        finally:
            self.running.remove(command[-1])


class Service:
    """The two balancers, the hosts, and the jobs that clients have sent and that have not ended."""

    def __init__(self, start_balancer):
        self.balancers = [start_balancer(), start_balancer()]
        self.ended, self.pending, self.count = set(), {}, 0
        addresses = [balancer.address for balancer in self.balancers]
        self.hosts = [PatientHost(f"h{i}", addresses, self.ended) for i in range(HOSTS)]
        for balancer in self.balancers:
            balancer.wait_for(ready=ALL_SLOTS)

    def send(self, which):
        """Send a job to a balancer. Returns its name."""
        self.count += 1
        name = f"job-{self.count}"
        self.pending[name] = Background(self.balancers[which].post, job=job(name))
        return name

    def running(self):
        return sorted(name for host in self.hosts for name in host.running - self.ended)

    def end(self, name):
        """Let a job end that runs, and wait for its answer."""
        self.ended.add(name)
        response = self.pending.pop(name).done()
        assert response.status == 200 and f"{name}\n".encode() in response.body

    def check_no_job_waits_beside_an_idle_slot(self):
        wanted = min(ALL_SLOTS, len(self.pending))
        eventually(
            lambda: len(self.running()) == wanted,
            lambda: f"{wanted} of {sorted(self.pending)} run: {self.running()}, "
            f"{[balancer.health() for balancer in self.balancers]}",
        )

    def close(self):
        self.ended.update(self.pending)
        for host in self.hosts:
            host.close()


@pytest.fixture
def service(start_balancer):
    service = Service(start_balancer)
    yield service
    service.close()


@pytest.mark.parametrize("order", [(0, 0, 0, 0), (0, 1, 0, 1), (1, 0, 0, 0)])
def test_every_slot_runs_a_job_of_the_balancer_that_has_one(service, order):
    for which in order:
        service.send(which)
        service.check_no_job_waits_beside_an_idle_slot()


def test_a_slot_that_one_balancer_has_used_runs_what_waits_at_the_other(service):
    first = [service.send(0) for _ in range(ALL_SLOTS)]
    service.check_no_job_waits_beside_an_idle_slot()
    for _ in range(ALL_SLOTS):
        service.send(1)
    service.balancers[1].wait_for(queued=ALL_SLOTS)
    for name in first:
        service.end(name)
        service.check_no_job_waits_beside_an_idle_slot()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jobs_that_come_and_go_in_a_random_order_leave_no_slot_idle_while_one_waits(service, seed):
    choices = random.Random(seed)
    for _ in range(20):
        for _ in range(choices.randrange(1, ALL_SLOTS)):  # at once, so that messages cross
            service.send(choices.randrange(2))
        service.check_no_job_waits_beside_an_idle_slot()
        running = service.running()
        for name in choices.sample(running, choices.randrange(len(running) + 1)):
            service.end(name)
        service.check_no_job_waits_beside_an_idle_slot()


def test_the_jobs_of_a_balancer_that_dies_leave_their_slots_to_the_other(service):
    for _ in range(ALL_SLOTS):
        service.send(0)
    service.check_no_job_waits_beside_an_idle_slot()
    service.pending.clear()  # their clients get no answer
    for _ in range(ALL_SLOTS):
        service.send(1)
    service.balancers[1].wait_for(queued=ALL_SLOTS)
    service.balancers[0].kill()
    service.check_no_job_waits_beside_an_idle_slot()


def test_a_job_that_crossed_and_was_given_back_runs_on_a_slot_that_is_idle(start_balancer):
    one, two = start_balancer(), start_balancer()
    for balancer in (one, two):
        balancer.register("h1")
        balancer.register("h2")
    idle = Slot(two.address, "h2", shared=1)
    two.wait_for(ready=1)
    both = [Slot(balancer.address, "h1", shared=1, warm="gcc:14") for balancer in (one, two)]
    two.wait_for(ready=2)
    jobs = [Background(balancer.post, job=job(balancer.url)) for balancer in (one, two)]
    first, _ = both[0].take_job()
    second, _ = both[1].take_job()
    both[1].send_message(type="return", id=second["id"])
    again, _ = idle.take_job()
    assert again["id"] == second["id"]
    idle.answer(again, b"elsewhere")
    assert b"elsewhere" in jobs[1].done().body
    both[0].answer(first, b"first")
    assert b"first" in jobs[0].done().body
