# SPDX-License-Identifier: Apache-2.0
"""A host whose token is revoked: its worker asks less and less often, says why once, and comes back by itself
when the token is valid again."""

import pytest

from fixtures.spare_host import NAME, SpareHost
from fixtures.waiting import eventually
from fixtures.worker_status import status


@pytest.fixture
def host(tmp_path):
    host = SpareHost(tmp_path)
    try:
        yield host.begin()
    finally:
        host.close()


def warnings(log, text):
    return [line for line in log.splitlines() if text in line]


def balancer_of(worker):
    """What the worker says of its balancer."""
    (balancer,) = status(worker)["balancers"]
    return balancer


def test_a_revoked_host_says_so_once_and_comes_back_when_its_token_is_valid_again(host):
    assert host.run("echo before").stdout == b"before\n"
    host.tokens.revoke(NAME)
    host.worker.wait_for_log("the token of this host was revoked")
    host.wait_until(lambda health: health["hosts"] == 0, "the host is gone")
    refusal = "the balancer refuses the token"
    host.worker.wait_for_log(refusal)
    eventually(lambda: balancer_of(host.worker)["state"] == "refused", "the status says it")
    balancer = balancer_of(host.worker)
    assert refusal in balancer["last_problem"]["text"] and balancer["next_attempt"]
    host.admit()
    host.wait_until(lambda health: health["hosts"] == health["slots"] == 1, "the host is back")
    assert host.run("echo after").stdout == b"after\n"
    assert len(warnings(host.worker.log(), refusal)) == 1, host.worker.log()
