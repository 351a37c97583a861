# SPDX-License-Identifier: Apache-2.0
"""Traces (W3C Trace Context): from the client through the balancer to the worker, and back."""
import json
import subprocess
import time

import pytest

from fixtures import processes
from fixtures.http_client import JOB, SAME, Connection, job_request
from fixtures.interactive import Program, Session
from fixtures.otlp import Collector
from fixtures.paths import program
from fixtures.stages import case, stage
from fixtures.stand_in_worker import Slot, connect
from fixtures.waiting import PATIENCE, Background, eventually

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


STATE = "vendor=1,tenant@system=a b"


@pytest.mark.parametrize("options", [(), ("--otlp-endpoint", "http://127.0.0.1:1")])
def test_the_state_of_a_trace_reaches_the_worker(start_balancer, options):
    balancer = start_balancer(*options)
    registration, slot = balancer.worker()
    response, job = run(balancer, slot, {"traceparent": SENT, "tracestate": STATE})
    assert job["tracestate"] == STATE and "tracestate" not in response.headers
    response, job = run(balancer, slot, {"traceparent": SENT})
    assert "tracestate" not in job


def test_several_headers_with_the_state_of_a_trace_are_one_list(balancer):
    registration, slot = balancer.worker()
    lines = f"traceparent: {SENT}\r\ntracestate: a=1\r\ntracestate:\r\ntracestate: b=2\r\n"
    with connect(balancer.address, PATIENCE) as client:
        client.sendall(job_request().replace(b"Host: x\r\n", f"Host: x\r\n{lines}".encode()))
        job, _ = slot.take_job()
    assert job["tracestate"] == "a=1,b=2"


@pytest.mark.parametrize(
    "parent, state",
    [
        (SENT, "nonsense"),
        (SENT, "a=1,B=2"),
        (SENT, ",".join(f"k{i}=1" for i in range(33))),
        (SENT, "a=" + "v" * 60000),
        ("nonsense", STATE),
        (None, STATE),
    ],
)
def test_a_state_that_is_not_valid_or_belongs_to_no_trace_is_discarded(balancer, parent, state):
    registration, slot = balancer.worker()
    headers = {"tracestate": state, **({"traceparent": parent} if parent else {})}
    response, job = run(balancer, slot, headers)
    assert response.status == 200 and "tracestate" not in job


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


# ---- exporting ----

PHASES = ["vm", "input", "run", "output"]  # of the worker
TIMING = {"queue": 0, "vm": 0.25, "input": 0.5, "run": 1, "output": 0}
RUN = {"name": "run", "cmd": ["true"]}
CASES = {"image": "gcc:14", "stages": [RUN], "cases": [{"expect": "a"}, {"expect": "b"}]}


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.end()


def trace_id(response):
    return response.headers["traceparent"].split("-")[1]


def spans_total(balancer, outcome):
    return balancer.metric(f'pe_trace_spans_total{{outcome="{outcome}"}}')


def test_a_request_becomes_a_span_of_the_clients_trace_with_one_for_each_phase(
    start_balancer, collector
):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    before = time.time_ns()
    response, job = run(balancer, slot, {"traceparent": SENT})
    spans = collector.of(TRACE, 3 + 1 + len(PHASES))
    request = spans["POST /v1/run"]
    assert (request.parent, request.kind) == (SPAN, 2)
    assert job["traceparent"] == response.headers["traceparent"] == f"00-{TRACE}-{request.id}-01"
    assert request.attributes == {
        "pe.request_id": response.headers["X-Request-Id"],
        "pe.image": "gcc:14",
        "pe.status": "exited",
        "pe.source": "run",
        "http.response.status_code": 200,
    }
    assert before - 10**9 < request.start <= request.end < time.time_ns() + 10**9
    assert spans["queue"].parent == spans["slot"].parent == request.id
    assert spans["slot"].attributes == {"pe.worker": "h1"}
    assert {spans[name].parent for name in ["transfer", *PHASES]} == {spans["slot"].id}
    order = [spans["queue"], *(spans[name] for name in ["transfer", *PHASES])]
    assert all(one.end == two.start for one, two in zip(order, order[1:]))
    assert order[0].start == request.start
    assert order[-1].end == spans["slot"].end <= request.end
    assert not any(span.failed for span in spans.values())


def test_a_phase_lasts_as_long_as_the_worker_says_and_never_longer_than_the_slot_had_the_job(
    start_balancer, collector
):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    timing = {"queue": 0, "vm": 0.25, "input": 0.5, "run": 10**9, "output": 0}
    slot.answer(job, timing_ms=timing)
    spans = collector.of(trace_id(pending.done()), 8)
    assert spans["vm"].end - spans["vm"].start <= 250_000
    assert spans["run"].end == spans["slot"].end == spans["output"].start == spans["output"].end


def test_a_request_without_a_trace_begins_one(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    first, _ = run(balancer, slot)
    second, _ = run(balancer, slot, {"traceparent": "nonsense"})
    assert trace_id(first) != trace_id(second)
    for response in first, second:
        assert collector.of(trace_id(response), 8)["POST /v1/run"].parent is None


def test_a_trace_that_the_client_does_not_sample_is_passed_on_and_not_exported(
    start_balancer, collector
):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    response, job = run(balancer, slot, {"traceparent": SENT[:-1] + "0"})
    assert job["traceparent"].endswith("-00") and trace_id(response) == TRACE
    sampled, _ = run(balancer, slot)
    collector.of(trace_id(sampled), 8)
    assert TRACE not in {span.trace for span in collector.spans}


def test_cached_refused_and_lost_requests_have_the_spans_that_they_went_through(
    start_balancer, collector
):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    refused = balancer.post()
    assert collector.of(trace_id(refused), 1)["POST /v1/run"].failed
    registration, slot = balancer.worker()
    balancer.run_on(slot)
    cached = balancer.post(job=SAME)
    span = collector.of(trace_id(cached), 1)["POST /v1/run"]
    assert (span.attributes["pe.source"], span.failed) == ("cached", False)
    pending = Background(balancer.post)
    slot.take_job()
    other = Slot(balancer.address)
    slot.close()
    other.answer(other.take_job()[0])
    spans = collector.of(trace_id(pending.done()), 8)
    assert spans["POST /v1/run"].attributes["pe.lost_tries"] == 1


def test_a_job_with_stages_has_the_spans_of_its_slot(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    headers = {"traceparent": SENT, "tracestate": STATE}
    pending = Background(balancer.post, job=CASES, headers=headers, accept="application/json")
    message, _ = slot.take_job()
    slot.answer(message, stage("run") + case(0, b"a") + case(1, b"b"), timing_ms=TIMING)
    assert pending.done().status == 200
    spans = collector.of(TRACE, 3 + 1 + len(PHASES))
    assert spans["slot"].attributes == {"pe.worker": "h1"}
    assert {spans[name].parent for name in ["transfer", *PHASES]} == {spans["slot"].id}
    assert spans["queue"].parent == spans["slot"].parent == spans["POST /v1/run"].id
    assert spans["queue"].end == spans["slot"].start
    assert {span.state for span in spans.values()} == {STATE}


def test_each_slot_of_a_job_whose_cases_are_spread_has_spans(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, one = balancer.worker()
    other = Slot(balancer.address)
    job = {**CASES, "slots": 2}
    pending = Background(
        balancer.post, job=job, headers={"traceparent": SENT}, accept="application/json"
    )
    for slot in one, other:
        message, _ = slot.take_job()
        slot.answer(message, stage("run") + case(0, b"a"), timing_ms=TIMING)
    assert pending.done().status == 200
    spans = collector.all_of(TRACE, 1 + 2 * (2 + 1 + len(PHASES)))
    [request] = [span for span in spans if span.name == "POST /v1/run"]
    slots = [span for span in spans if span.name == "slot"]
    assert len(slots) == 2 and {span.parent for span in slots} == {request.id}
    for slot in slots:
        assert sorted(span.name for span in spans if span.parent == slot.id) == sorted(
            ["transfer", *PHASES]
        )


def test_a_job_with_stages_whose_slot_is_lost_has_the_spans_of_its_last_try(
    start_balancer, collector
):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    pending = Background(
        balancer.post, job=CASES, headers={"traceparent": SENT}, accept="application/json"
    )
    slot.take_job()
    other = Slot(balancer.address)
    slot.close()
    other.answer(other.take_job()[0], stage("run") + case(0, b"a") + case(1, b"b"))
    assert pending.done().status == 200
    spans = collector.of(TRACE, 8)
    assert spans["POST /v1/run"].attributes["pe.lost_tries"] == 1


def test_a_job_with_stages_from_the_cache_was_on_no_slot(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    for parent, count in (SENT, 8), (SENT.replace(TRACE, TRACE[::-1]), 1):
        pending = Background(
            balancer.post,
            job={**CASES, "cache": True},
            headers={"traceparent": parent},
            accept="application/json",
        )
        if count > 1:
            slot.answer(slot.take_job()[0], stage("run") + case(0, b"a") + case(1, b"b"))
        assert pending.done().status == 200
        collector.of(parent.split("-")[1], count)


def test_an_interactive_job_has_spans(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker(live=1)
    session = Session(balancer.address, JOB, headers=[("traceparent", SENT)])
    Program(slot).exit(b"")
    session.rest()
    spans = collector.of(TRACE, 8)
    assert spans["interactive job"].parent == SPAN
    assert spans["slot"].attributes == {"pe.worker": "h1"}


def test_a_collector_that_is_busy_is_asked_again(start_balancer, collector):
    collector.statuses = [503, 429, 200]
    balancer = start_balancer("--otlp-endpoint", collector.url + "/")
    refused = balancer.post()
    collector.of(trace_id(refused), 1)
    assert collector.requests == 3
    eventually(lambda: spans_total(balancer, "exported") == 1, "the span is counted")


def test_a_collector_that_refuses_is_not_asked_again_and_the_log_says_why_once(
    start_balancer, collector
):
    collector.statuses = [400]
    balancer = start_balancer("--otlp-endpoint", collector.url)
    for count in 1, 2:
        balancer.post()
        eventually(lambda: spans_total(balancer, "failed") == count, "the failure is counted")
    assert collector.requests == 2
    assert balancer.log().count("traces cannot be exported") == 1
    assert "status 400" in balancer.log()


def test_the_password_of_a_collector_is_not_in_the_log(start_balancer, collector):
    collector.statuses = [400]
    balancer = start_balancer("--otlp-endpoint", collector.url.replace("//", "//user:secret@"))
    balancer.post()
    balancer.wait_for_log(f"traces cannot be exported to {collector.url}/v1/traces: ")
    assert "secret" not in balancer.log()


def test_a_collector_that_stands_still_delays_no_job_and_what_has_no_room_is_dropped(
    start_balancer, collector
):
    collector.hold.clear()
    balancer = start_balancer("--otlp-endpoint", collector.url)
    registration, slot = balancer.worker()
    connection = Connection(balancer.address)
    unknown = {"image": "x" * 200, "cmd": ["true"]}  # a long name makes the span larger

    def is_dropping():
        for _ in range(500):
            assert balancer.post(job=unknown, connection=connection).status == 404
        return spans_total(balancer, "dropped") > 0

    eventually(is_dropping, "spans are dropped")
    balancer.run_on(slot)


def test_spans_are_sent_when_the_balancer_ends(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)
    refused = balancer.post()
    balancer.end()
    collector.of(trace_id(refused), 1)


def test_the_helper_that_exports_is_started_again_when_it_was_killed(start_balancer, collector):
    balancer = start_balancer("--otlp-endpoint", collector.url)

    def helpers():
        pids = processes.descendants(balancer.process.pid)
        return [pid for pid in pids if processes.command_name(pid) == "pe-lb-traces"]

    [pid] = eventually(helpers, "the helper runs")
    processes.kill_hard(pid)
    balancer.wait_for_log("traces are dropped until it is restarted")
    eventually(lambda: helpers() not in ([], [pid]), "another one runs")
    collector.of(trace_id(balancer.post()), 1)


@pytest.mark.parametrize(
    "url", ["collector:4318", "http://", "https:///v1", "ftp://collector", "http://c/" + "x" * 2000]
)
def test_an_endpoint_that_is_no_url_is_refused(url):
    done = subprocess.run(
        [program("pe-lb"), "--otlp-endpoint", url], stderr=subprocess.PIPE, text=True, timeout=180
    )
    assert done.returncode == 2 and "--otlp-endpoint expects a URL" in done.stderr
