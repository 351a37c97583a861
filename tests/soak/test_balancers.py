# SPDX-License-Identifier: Apache-2.0
"""tests/balancers/test_kills.py for a minute, with stand-ins for the hosts and with real ones."""
import pytest

from fixtures import engine
from fixtures.balancer_kills import TwoBalancers
from fixtures.shared_host import SharedHost
from fixtures.waiting import eventually
from fixtures.worker import Worker

SECONDS = 60


@pytest.fixture
def two():
    balancers = TwoBalancers()
    yield balancers
    balancers.close()


def test_jobs_on_four_quick_hosts_while_a_balancer_is_killed_every_second(two):
    hosts = [SharedHost(f"host{i}", two.addresses) for i in range(4)]
    try:
        two.wait_for_slots(8)
        two.run(SECONDS, "gcc:14")
        for request in two.check():
            ran = sum(host.runs.get(("echo", f"answer-{request.number}"), 0) for host in hosts)
            assert ran == 1, f"job {request.number} ran {ran} times"
        print(two.summary())
    finally:
        for host in hosts:
            host.close()


def test_jobs_in_vms_of_four_workers_while_a_balancer_is_killed_every_second(two):
    first, second = two.urls
    options = ("--server", second, "--ahead", "0", *engine.OPTIONS)
    workers = [Worker(first, *options, "--name", f"host{i}", slots=1) for i in range(4)]
    try:
        for worker in workers:
            worker.start()
        two.wait_for_slots(4)
        two.run(SECONDS, "busybox:1.35")
        two.check()
        print(two.summary())
        for balancer in two.balancers:  # nothing is lost for good
            balancer.wait_for(ready=4, running=0, queued=0)
        for worker in workers:  # a slot offers itself while its next VM boots
            eventually(lambda one=worker: len(one.vmms()) == 1, "each slot has one VM")
    finally:
        for worker in workers:
            worker.close()
