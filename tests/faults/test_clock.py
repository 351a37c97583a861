# SPDX-License-Identifier: Apache-2.0
"""The wall clock of the machine is set while the service runs. Times are measured with the monotonic
clock, so nothing happens too soon or too late."""
import email.utils
import time

import pytest

from fixtures.http_client import SAME, assert_refused
from fixtures.stand_in_worker import PING, PONG
from fixtures.waiting import Background, eventually
from fixtures.wall_clock import WallClock

HOUR = 3600


@pytest.fixture
def clock(tmp_path, monkeypatch):
    clock = WallClock(str(tmp_path))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    return clock


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
