# SPDX-License-Identifier: Apache-2.0
"""haproxy in front of two balancers, with the configuration of deploy/haproxy: which job reaches which."""
import secrets

import pytest

from fixtures import pe_run
from fixtures.answering_host import AnsweringHost
from fixtures.balancer import Balancer
from fixtures.haproxy import Haproxy
from fixtures.http_client import JOB, HttpService

NAMES = "one", "two"


@pytest.fixture
def service():
    """Two balancers, whose workers answer with the name of their balancer, behind haproxy."""
    balancers = [Balancer() for _ in NAMES]
    haproxy = Haproxy(*(balancer.tcp for balancer in balancers))
    for balancer, name in zip(balancers, NAMES):
        AnsweringHost(balancer, name, lambda number, name=name: name.encode())
    service = HttpService(haproxy.address)
    service.url, service.balancers = f"http://{haproxy.address}", balancers
    yield service
    haproxy.close()
    for balancer in balancers:
        balancer.end()


def balancer_of(service, headers=None):
    answer = service.post(job=JOB, accept="application/json", headers=headers)
    assert answer.status == 200
    return answer.json()["stdout"]


def test_jobs_with_the_same_key_reach_the_same_balancer_and_others_both(service):
    keys = [secrets.token_hex(32) for _ in range(30)]
    found = {key: {balancer_of(service, {"PE-Job-Key": key}) for _ in range(3)} for key in keys}
    assert {len(names) for names in found.values()} == {1}
    assert set().union(*found.values()) == set(NAMES)


def test_jobs_without_a_key_take_turns(service):
    assert {balancer_of(service) for _ in range(10)} == set(NAMES)


def test_pe_run_sends_equal_jobs_to_one_balancer_which_has_the_result_the_second_time(
    service, tmp_path
):
    for number in range(6):
        file = tmp_path / "main.c"
        file.write_text(f"// {number}")
        answers = [pe_run.run("-q", "gcc:14", str(file), server=service) for _ in range(2)]
        assert answers[0].stdout in (b"one", b"two")
        assert answers[1].stdout == answers[0].stdout
    hits = [balancer.metric("pe_cache_hits_total") for balancer in service.balancers]
    assert sum(hits) == 6
