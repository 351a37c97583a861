# SPDX-License-Identifier: Apache-2.0
"""A job as events: Server-Sent Events and lines of JSON."""
import base64
import contextlib
import http.client
import socket

import pytest

from fixtures.events import LINES, SSE, EventStream, bytes_of, kinds, output_of
from fixtures.http_client import JOB, SAME, assert_refused, job_body
from fixtures.openapi import validate
from fixtures.stages import case
from fixtures.waiting import Background, eventually

MIB = 1 << 20
FORMS = pytest.mark.parametrize("accept", [SSE, LINES])


# ---- a job whose worker sends nothing before its result ----


@FORMS
def test_a_job_tells_what_happens_and_ends_with_its_result(balancer, accept):
    _, slot = balancer.worker()
    stream = EventStream(balancer, job=JOB, accept=accept)
    queued = stream.next("queued")
    job, _ = slot.take_job()
    started = stream.next("started")
    slot.answer(job, b"out\n", b"\xff\n", [("a.txt", b"text")], exit_code=3)
    events = stream.rest()
    assert kinds(events) == ["stdout", "stderr", "file", "result"]
    assert queued["id"] == stream.response.headers["X-Request-Id"]
    assert started == {"type": "started"}
    assert events[0] == {"type": "stdout", "text": "out\n"}
    assert events[1] == {"type": "stderr", "base64": "/wo="}
    assert events[2] == {"type": "file", "name": "a.txt", "size": 4, "mode": "0644", "text": "text"}
    assert (events[3]["exit_code"], events[3]["cached"]) == (3, False)
    assert not {"stdout", "stderr", "files", "folders"} & events[3].keys()


def test_files_folders_and_combined_output_are_events_in_front_of_the_result(balancer):
    _, slot = balancer.worker()
    stream = EventStream(balancer, job={**JOB, "combined": True})
    job, _ = slot.take_job()
    slot.answer(
        job,
        b"1",
        b"2",
        [("%FF", b"\xfe"), ("a/b", b"")],
        folders=[{"name": "a", "mode": 0o700, "mtime": 8}],
        attributes={"%FF": {"mode": 0o755, "mtime": 9}},
        combined=b"12",
    )
    events = stream.rest()
    name = {"name": "\ufffd", "name_base64": base64.b64encode(b"\xff").decode()}
    assert events[2:-1] == [
        {"type": "stdout", "text": "1"},
        {"type": "stderr", "text": "2"},
        {"type": "combined", "text": "12"},
        {"type": "file", **name, "mode": "0755", "mtime": 9, "size": 1, "base64": "/g=="},
        {"type": "file", "name": "a/b", "mode": "0644", "size": 0, "text": ""},
        {"type": "folder", "name": "a", "mode": "0700", "mtime": 8},
    ]
    validate(
        balancer.request("GET", "/openapi.json").body, [("Event", event) for event in events]
    )


def test_a_large_result_arrives_in_events_of_bounded_size(balancer):
    _, slot = balancer.worker()
    stream = EventStream(balancer, job=JOB)
    text, data = "é€😀\n".encode() * (MIB // 10), bytes(range(256)) * (4 * MIB // 256)
    job, _ = slot.take_job()
    slot.answer(job, text, b"\xff" * MIB, [("data", data)])
    events = stream.rest()
    outputs = [event for event in events if event["type"] in ("stdout", "stderr")]
    assert output_of(events) == text
    assert output_of(events, "stderr") == b"\xff" * MIB
    assert all(len(bytes_of(event)) <= 32 * 1024 for event in outputs)
    assert all("text" in event for event in outputs if event["type"] == "stdout")
    assert bytes_of(events[-2]) == data


@FORMS
def test_a_result_from_the_cache_gives_the_same_events(balancer, accept):
    _, slot = balancer.worker()
    balancer.run_on(slot, b"cached\n", files=[("a", b"b")])
    stream = EventStream(balancer, files=[("a", b"b")], accept=accept)
    events = stream.rest()
    assert kinds(events) == ["queued", "started", "stdout", "result"]
    assert events[-1]["cached"]
    assert stream.response.headers["Cache-Status"] == "program-explorer; hit"
    repeated = EventStream(balancer, files=[("a", b"b")], accept=accept).rest()
    assert repeated[1:] == events[1:]


def test_requests_with_and_without_events_share_a_job(balancer):
    _, slot = balancer.worker()
    first, second = EventStream(balancer), EventStream(balancer, accept=SSE)
    plain = Background(balancer.post, job=SAME, accept="application/json")
    job, _ = slot.take_job()
    eventually(lambda: balancer.metric("pe_requests_open") == 3, "three requests")
    slot.answer(job, b"all\n")
    assert output_of(first.rest()) == output_of(second.rest()) == b"all\n"
    assert plain.done().json()["stdout"] == "all\n"


@pytest.mark.parametrize(
    "accept, expected",
    [
        ("text/event-stream", SSE),
        ("application/x-ndjson;q=0.5, text/event-stream;q=0.9", SSE),
        ("application/json;q=0.1, application/x-ndjson", LINES),
        ("*/*, application/x-ndjson;q=0.5", "multipart/form-data"),
        ("text/*", SSE),
        ("application/x-ndjson;q=0, application/json;q=0.1", "application/json"),
    ],
)
def test_quality_values_choose_the_form(balancer, accept, expected):
    _, slot = balancer.worker()
    balancer.run_on(slot)
    response = balancer.post(job=SAME, accept=accept)
    assert response.headers["Content-Type"].split(";")[0] == expected


@FORMS
def test_an_error_before_the_job_is_admitted_is_an_ordinary_problem(balancer, accept):
    assert_refused(balancer.post(accept=accept), 503, "no-worker")
    balancer.worker()
    unknown = balancer.post(job={**JOB, "image": "gcc:15"}, accept=accept)
    assert_refused(unknown, 404, "unknown-image")
    assert_refused(balancer.post(b"", accept=accept), 400, "malformed-request")


@FORMS
def test_a_problem_after_the_headers_is_the_last_event(balancer, accept):
    _, slot = balancer.worker()
    stream = EventStream(balancer, accept=accept)
    stream.next("queued")
    job, _ = slot.take_job()
    problem = {"type": "/problems/internal", "title": "x", "status": 500, "detail": "the disk is full"}
    slot.send_message(type="error", id=job["id"], problem=problem)
    events = stream.rest()
    assert kinds(events) == ["started", "problem"]
    assert events[-1]["problem"]["detail"] == "the disk is full"
    assert events[-1]["problem"]["status"] == 500
    validate(
        balancer.request("GET", "/openapi.json").body, [("Event", event) for event in events]
    )


def test_a_job_that_waits_too_long_ends_with_a_problem_event(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "300")
    balancer.register()
    events = EventStream(balancer).rest()
    assert kinds(events) == ["queued", "problem"]
    assert events[-1]["problem"]["type"] == "/problems/no-capacity"


def test_a_lost_slot_restarts_the_events(balancer):
    _, second, first = balancer.worker(slots=2)
    stream = EventStream(balancer, job=JOB)
    job, _ = second.take_job()
    second.send_bytes(second.result(job, b"never\n" * 4)[:12])
    stream.next("queued")
    stream.next("started")
    assert bytes_of(stream.next("stdout")) == b"never\n" * 2
    second.close()
    assert stream.next("restarted")["reason"]
    job, _ = first.take_job()
    first.answer(job, b"again\n")
    events = stream.rest()
    assert kinds(events) == ["started", "stdout", "result"]
    assert output_of(events) == b"again\n"


@FORMS
def test_a_character_that_has_half_arrived_is_held_back(balancer, accept):
    _, slot = balancer.worker()
    stream = EventStream(balancer, job=JOB, accept=accept)
    job, _ = slot.take_job()
    data = slot.result(job, "a😀b".encode(), b"end\xf0\x9f")
    stream.next("queued")
    stream.next("started")
    slot.send_bytes(data[:3])
    assert stream.next() == {"type": "stdout", "text": "a"}
    slot.send_bytes(data[3:])
    slot.send_message(type="end", id=job["id"])
    *rest, _ = stream.rest()
    assert {"type": "stdout", "text": "😀b"} in rest
    assert {"type": "stderr", "base64": base64.b64encode(b"end\xf0\x9f").decode()} in rest
    assert len(rest) == 2


@FORMS
def test_a_client_that_leaves_cancels_its_job(balancer, accept):
    _, slot = balancer.worker()
    stream = EventStream(balancer, job=JOB, accept=accept)
    stream.next("queued")
    job, _ = slot.take_job()
    stream.next("started")
    stream.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}


def test_the_state_of_a_job_with_events_can_be_asked_for(balancer):
    _, slot = balancer.worker()
    request_id = "0123456789abcdef" * 2
    stream = EventStream(balancer, headers={"X-Request-Id": request_id})
    assert stream.next("queued")["id"] == request_id
    job, _ = slot.take_job()
    stream.next("started")
    assert balancer.request("GET", "/v1/jobs/" + request_id).json()["state"] == "running"
    slot.answer(job)
    stream.rest()


def test_a_response_without_events_gets_signs_of_life(balancer):
    _, slot = balancer.worker()
    streams = [EventStream(balancer, accept=accept) for accept in (SSE, LINES)]
    for stream in streams:
        stream.next("queued")
        stream.next("started")
    job, _ = slot.take_job()
    sign = {SSE: b":\n", LINES: b"\n"}
    for stream in streams:  # about 10 s later
        assert stream.response.readline() == sign[stream.type]
    assert streams[0].response.readline() == b"\n"
    slot.answer(job, b"late\n")
    for stream in streams:
        assert output_of(stream.rest()) == b"late\n"


def test_a_reader_of_events_who_reads_nothing_is_cut_off_when_memory_runs_out(start_balancer):
    balancer = start_balancer("--results-mib", "1", "--cache-mib", "0")
    _, *slots = balancer.worker(slots=2)
    sockets = []
    for slot in slots:
        sock = balancer.send_job(LINES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sockets.append(sock)
        job, _ = slot.take_job()
        slot.answer(job, files=[("large", b"x" * (15 * MIB))], ready=False)
    eventually(lambda: balancer.metric("pe_responses_shed_total") >= 1, "a reader that is cut off")
    for sock in sockets:
        sock.close()
    eventually(lambda: balancer.metric("pe_result_bytes") == 0, "all memory is free again")


def test_a_reader_of_events_who_has_read_nothing_of_the_output_is_cut_off_as_well(start_balancer):
    balancer = start_balancer("--results-mib", "8", "--cache-mib", "0")
    _, slot = balancer.worker(live=1)
    sock = balancer.send_job(LINES, body=job_body({**JOB, "stdout_max": 4 * MIB}))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    job, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    for _ in range(3 * MIB // 65536):
        slot.output(job, ("stdout", b"x" * 65536))
    eventually(lambda: balancer.metric("pe_result_bytes") > MIB, "the output has arrived")
    slot.answer(job, b"x" * (3 * MIB), files=[("large", b"x" * (12 * MIB))])
    balancer.wait_for(ready=1)
    with contextlib.suppress(OSError, http.client.HTTPException):  # this one may be cut off, too
        balancer.request("GET", "/metrics")
    balancer.wait_for_log("its slow reader is cut off")
    sock.close()
    eventually(lambda: balancer.metric("pe_result_bytes") == 0, "all memory is free again")


def test_runs_that_a_client_has_not_read_count_as_memory_of_results(balancer):
    _, slot = balancer.worker(live=1)
    output = b"\x01" * 300000  # in JSON, six times as long
    job = {"image": "gcc:14", "stages": [{"cmd": ["./a"]}], "cases": [{}] * 12, "cache": False}
    sock = balancer.send_job(LINES, body=job_body(job))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    message, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": message["id"]}
    report = b"".join(case(i, output) for i in range(12))
    for at in range(0, len(report), 50000):
        slot.output(message, ("stdout", report[at : at + 50000]))
    eventually(lambda: balancer.metric("pe_result_bytes") > 10 * MIB, "the events count")
    sock.close()
    eventually(lambda: balancer.metric("pe_result_bytes") == 0, "all memory is free again")
