# SPDX-License-Identifier: Apache-2.0
"""A balancer and three workers with a network between them that fails. Each is in a network namespace
of its own; tests/machines/test_cluster.py does the same with VMs."""
import time

import pytest

from fixtures.cluster import Cluster


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.close()


def test_jobs_are_answered_once_while_the_cable_of_a_worker_is_out_for_some_seconds(cluster):
    sent = cluster.send(count=6, seconds=1)
    cluster.wait_until_running(3)
    cluster.sites[1].set_link("down")
    time.sleep(3)
    cluster.sites[1].set_link("up")
    reachable = time.monotonic()
    cluster.expect_answers(sent)
    cluster.expect_recovery(reachable)


def test_jobs_are_answered_once_over_a_slow_line(cluster):
    cluster.sites[2].limit("256kbit")
    sent = cluster.send(count=6, seconds=0)
    cluster.wait_until_running(1)
    cluster.expect_answers(sent)
    cluster.sites[2].unlimit()
    cluster.expect_recovery(time.monotonic())


def test_jobs_are_answered_once_when_a_worker_is_killed_and_started_again(cluster):
    sent = cluster.send(count=6, seconds=1)
    cluster.wait_until_running(3)
    cluster.workers[2].process.kill()
    cluster.workers[2].end()
    cluster.workers[2].start()
    reachable = time.monotonic()
    cluster.expect_answers(sent)
    cluster.expect_recovery(reachable)
