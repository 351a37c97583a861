# SPDX-License-Identifier: Apache-2.0
"""A balancer and three workers, each in a VM of its own, on a network that fails. When a test fails,
snapshots and consoles of all VMs are kept."""
import time

import pytest

from fixtures.machines import Machines
from fixtures.netem_network import has_netem


@pytest.fixture(scope="module")
def all_machines(no_process_is_left):
    machines = Machines()
    yield machines
    machines.close()


@pytest.fixture
def machines(all_machines, request):
    failed = request.session.testsfailed
    yield all_machines
    if request.session.testsfailed > failed:
        all_machines.keep()


def test_jobs_are_answered_once_while_a_worker_is_cut_off(machines):
    sent = machines.send(count=6, seconds=2)
    machines.wait_until_running(2)
    machines.place.do("fault", "--link-down", "--for", "8", "worker1")
    time.sleep(8)
    reachable = time.monotonic()
    machines.expect_answers(sent)
    machines.expect_recovery(reachable)


@pytest.mark.parametrize(
    "fault",
    [("--loss", "10"), ("--delay", "100"), ("--rate", "512")],
    ids=["that loses 10 % of the packets", "with a delay of 100 ms", "with 512 kbit per second"],
)
def test_jobs_are_answered_once_over_a_line(machines, fault):
    seconds = 30
    begun = machines.place.run("fault", *fault, "--for", seconds, "worker2", seconds=1800)
    assert begun.status == 0, begun
    needs_router = "--rate" not in fault and not has_netem()
    assert (b"a router VM with Debian's kernel stands in the cable" in begun.err) == needs_router
    sent = machines.send(count=6, seconds=1)
    time.sleep(seconds)
    reachable = time.monotonic()
    machines.expect_answers(sent)
    machines.expect_recovery(reachable)


def test_jobs_are_answered_once_when_the_vm_of_a_worker_is_killed(machines):
    sent = machines.send(count=6, seconds=2)
    machines.wait_until_running(2)
    machines.place.do("fault", "--kill", "--for", "2", "worker3")
    machines.wait_for_agent("worker3")
    machines.start_worker("worker3")
    reachable = time.monotonic()
    machines.expect_answers(sent)
    machines.expect_recovery(reachable)
