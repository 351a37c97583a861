# SPDX-License-Identifier: Apache-2.0
"""Traces (W3C Trace Context): from the client through the balancer to the worker, and back."""
import json

import pytest

from fixtures.http_client import JOB, SAME
from fixtures.interactive import Program, Session
from fixtures.waiting import Background, eventually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"


def run(balancer, slot, headers=None):
    """Run a job. Returns the response, and the message `job` that the worker got."""
    pending = Background(balancer.post, headers=headers)
    job, _ = slot.take_job()
    slot.answer(job)
    return pending.done(), job


def test_the_trace_of_a_client_reaches_the_worker_the_log_and_the_response(balancer):
    registration, slot = balancer.worker()
    response, job = run(balancer, slot, {"traceparent": SENT})
    assert job["traceparent"] == response.headers["traceparent"] == SENT
    line = f"request={response.headers['X-Request-Id']} trace={TRACE} msg="
    eventually(lambda: line in balancer.log(), "the trace is in the log")


def test_the_log_in_json_has_the_trace_as_a_member(start_balancer):
    balancer = start_balancer("--log-format", "json")
    registration, slot = balancer.worker()
    run(balancer, slot, {"traceparent": SENT})
    balancer.wait_for_log(TRACE)
    lines = [json.loads(line) for line in balancer.log().splitlines()]
    assert [line["trace"] for line in lines if "trace" in line] == [TRACE]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        SENT[:-1],
        SENT + "-more",
        SENT.upper(),
        "ff" + SENT[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        "00-" + "4" * 60000,
    ],
)
def test_a_value_that_is_not_valid_is_ignored_as_if_it_were_missing(balancer, wrong):
    registration, slot = balancer.worker()
    response, job = run(balancer, slot, {"traceparent": wrong})
    assert response.status == 200
    assert "traceparent" not in job
    assert "traceparent" not in response.headers


def test_without_tracing_and_without_a_trace_there_is_none(balancer):
    registration, slot = balancer.worker()
    response, job = run(balancer, slot)
    assert "traceparent" not in job and "traceparent" not in response.headers


def test_a_result_of_the_cache_carries_the_trace_of_the_request_that_asks(balancer):
    registration, slot = balancer.worker()
    balancer.run_on(slot)
    response = balancer.post(job=SAME, headers={"traceparent": SENT})
    assert response.headers["traceparent"] == SENT


def test_an_interactive_job_carries_the_trace_of_its_connection(balancer):
    registration, slot = balancer.worker(live=1)
    session = Session(balancer.address, JOB, headers=[("traceparent", SENT)])
    program = Program(slot)
    assert program.message["traceparent"] == SENT
    program.exit(b"")
    session.rest()
    balancer.wait_for_log(f"trace={TRACE}")
