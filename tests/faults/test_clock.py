# SPDX-License-Identifier: Apache-2.0
"""The wall clock of the machine is set while the service runs. Times are measured with the monotonic
clock, so nothing happens too soon or too late. Only what has to go by the wall clock does."""
import email.utils
import time

import pytest

from fixtures.host_tokens import HostTokens, join
from fixtures.http_client import SAME, assert_refused
from fixtures.stand_in_worker import PING, PONG
from fixtures.waiting import Background, eventually

HOUR = 3600


def answer_to_ping(slot):
    """Both sides are alive after this: a ping was sent and answered."""
    slot.send(PING, b"?")
    while slot.receive_frame() != (PONG, b"?"):
        pass


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_step_of_the_wall_clock_neither_ends_connections_nor_stops_timers(
    start_balancer, clock, step
):
    balancer = start_balancer("--queue-wait-ms", "1000", "--cache-mib", "0")
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    clock.set(step)
    for link in registration, slot:
        answer_to_ping(link)
    waiting = balancer.post()
    assert_refused(waiting, 503, "no-capacity", "1000 ms")
    slot.answer(job, b"out")
    assert pending.done().form()[1][2] == b"out"
    assert balancer.metric("pe_jobs_lost_total") == 0


def test_the_date_of_responses_and_the_age_of_results_follow_the_wall_clock(start_balancer, clock):
    balancer = start_balancer()
    registration, slot = balancer.worker()
    pending = Background(balancer.post, job=SAME)
    slot.answer(slot.take_job()[0])
    assert pending.done().status == 200

    def has_date_and_age(step):
        before = int(time.time()) + step
        headers = balancer.post(job=SAME).headers
        date = email.utils.parsedate_to_datetime(headers["Date"]).timestamp()
        return before <= date <= time.time() + step and int(headers["Age"]) >= max(0, step)

    for step in HOUR, -HOUR:
        clock.set(step)
        # Responses of the same millisecond have the same date.
        eventually(lambda: has_date_and_age(step), "the date is that of the wall clock")


def test_a_quota_of_a_day_is_not_over_when_the_clock_is_set(start_balancer, clock):
    balancer = start_balancer("--anonymous", "limits", "--anonymous-cpu-seconds", "5")
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    usage = {"wall_ms": 1, "user_ms": 6000, "system_ms": 0, "max_rss_kib": 1}
    slot.answer(slot.take_job()[0], usage=usage)
    assert pending.done().status == 200
    for step in 0, 25 * HOUR, -25 * HOUR:
        clock.set(step)
        refused = balancer.post()
        assert_refused(refused, 429, "too-many-requests", "5 s of CPU time in 24 hours")
        assert 86000 < int(refused.headers["Retry-After"]) <= 86401


def test_a_join_code_expires_by_the_clock_of_the_balancer(start_balancer, clock, tmp_path):
    store = HostTokens(tmp_path / "tokens")
    balancer = start_balancer("--tokens", store.path)
    code = store.new("den")
    clock.set(2 * HOUR)
    assert_refused(join(balancer, code, "host-1"), 403, "invalid-join-code", "expired at")
    clock.set(0)
    assert join(balancer, code, "host-1").status == 200
    clock.set(2 * HOUR)
    balancer.worker(host="den", token="host-1")
