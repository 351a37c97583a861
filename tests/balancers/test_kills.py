# SPDX-License-Identifier: Apache-2.0
"""Two balancers, four hosts and haproxy, while a balancer is killed every second. tests/soak does it for a
minute, and with real hosts."""
import subprocess

import pytest

from fixtures.balancer_kills import TwoBalancers
from fixtures.haproxy import CONFIGURATION
from fixtures.shared_host import SharedHost

SECONDS = 10


@pytest.fixture
def two():
    balancers = TwoBalancers()
    yield balancers
    balancers.close()


def test_the_configuration_of_haproxy_is_valid():
    done = subprocess.run(["haproxy", "-c", "-f", CONFIGURATION], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_only_clients_of_a_balancer_that_is_killed_see_an_error(two):
    hosts = [SharedHost(f"host{i}", two.addresses) for i in range(4)]
    try:
        two.wait_for_slots(8)
        two.run(SECONDS, "gcc:14")
        answered = two.check()
        runs = {command: count for host in hosts for command, count in host.runs.items()}
        for request in answered:
            ran = sum(host.runs.get(("echo", f"answer-{request.number}"), 0) for host in hosts)
            assert ran == 1, f"job {request.number} ran {ran} times"
        assert runs
        print(two.summary(), "given back:", sum(host.returned for host in hosts))
    finally:
        for host in hosts:
            host.close()
