# SPDX-License-Identifier: Apache-2.0
"""Output that arrives while the program runs: from the slot to everybody who watches the job."""
import socket

import pytest

from fixtures.events import LINES, SSE, EventStream, bytes_of, kinds, output_of
from fixtures.http_client import JOB, SAME
from fixtures.stand_in_worker import BINARY, Closed
from fixtures.waiting import PATIENCE, Background, eventually

MIB = 1 << 20


def live_worker(balancer, slots=1, **options):
    return balancer.worker(slots=slots, live=1, **options)


def take_watched(slot):
    """Take a job that somebody watches."""
    job, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    return job


def refusal_of(slot):
    """Why the balancer closes a slot."""
    with pytest.raises(Closed) as closed:
        while True:
            slot.receive()
    assert closed.value.code == 1008
    return closed.value.reason


# ---- what clients get ----


@pytest.mark.parametrize("accept", [SSE, LINES])
def test_output_arrives_while_the_program_runs(balancer, accept):
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job=JOB, accept=accept)
    job = take_watched(slot)
    assert kinds([stream.next(), stream.next()]) == ["queued", "started"]
    slot.output(job, ("stdout", b"one\n"))
    assert stream.next() == {"type": "stdout", "text": "one\n"}
    slot.output(job, ("stdout", b"two\n"), ("stderr", b"\xff"), ("stdout", b"three\n"))
    events = stream.wait_for_output(b"two\nthree\n")
    events += [] if "stderr" in kinds(events) else [stream.next("stderr")]
    assert output_of(events, "stderr") == b"\xff"
    slot.answer(job, b"one\ntwo\nthree\nfour\n", b"\xff!")
    rest = stream.rest()
    assert (output_of(rest), output_of(rest, "stderr")) == (b"four\n", b"!")
    assert kinds(rest)[-1] == "result"


def test_a_character_that_is_cut_between_two_messages_is_held_back(balancer):
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(slot)
    smile = "😀".encode()
    slot.output(job, ("stdout", b"a" + smile[:2]))
    assert stream.wait_for_output(b"a")[-1]["text"] == "a"
    slot.output(job, ("stdout", smile[2:]))
    assert stream.next() == {"type": "stdout", "text": "😀"}
    slot.output(job, ("stdout", smile[:1]))
    slot.answer(job, b"a" + smile + smile[:1])
    assert stream.rest()[0] == {"type": "stdout", "base64": "8A=="}


def test_who_joins_a_job_late_gets_everything(balancer):
    _, slot = live_worker(balancer)
    first = EventStream(balancer)
    job = take_watched(slot)
    slot.output(job, ("stdout", b"early\n"))
    first.wait_for_output(b"early\n")
    late = EventStream(balancer, accept=SSE)
    late.wait_for_output(b"early\n")
    slot.output(job, ("stdout", b"late\n"))
    assert output_of([first.next()]) == output_of([late.next()]) == b"late\n"
    slot.answer(job, b"early\nlate\n")
    for stream in (first, late):
        assert kinds(stream.rest()) == ["result"]


def test_a_job_is_watched_from_the_moment_on_at_which_somebody_asks_for_events(balancer):
    _, slot = live_worker(balancer)
    plain = Background(balancer.post, job=SAME)
    job, _ = slot.take_job()
    stream = EventStream(balancer)
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    slot.output(job, ("stdout", b"seen\n"))
    stream.wait_for_output(b"seen\n")
    slot.answer(job, b"seen\n")
    assert kinds(stream.rest()) == ["result"]
    assert plain.done().status == 200


def test_an_ordinary_job_and_an_older_worker_get_no_live_messages(balancer):
    _, slot = live_worker(balancer)
    balancer.run_on(slot, b"x")
    _, old = balancer.worker(host="old", images=("gcc:13",))
    stream = EventStream(balancer, job={**JOB, "image": "gcc:13"})
    job, _ = old.take_job()
    with pytest.raises(socket.timeout):
        old.receive(timeout=0.2)
    old.answer(job, b"all at once\n", image="gcc:13")
    assert output_of(stream.rest()) == b"all at once\n"


def test_a_lost_slot_restarts_the_output(balancer):
    _, second, first = live_worker(balancer, slots=2)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(second)
    second.output(job, ("stdout", b"first try\n"))
    stream.wait_for_output(b"first try\n")
    second.close()
    assert stream.next("restarted")["reason"]
    job = take_watched(first)
    stream.next("started")
    first.output(job, ("stdout", b"second"))
    stream.wait_for_output(b"second")
    first.answer(job, b"second try\n")
    assert output_of(stream.rest()) == b" try\n"


def test_a_client_that_never_reads_stops_neither_the_job_nor_the_other_clients(balancer):
    _, slot = live_worker(balancer)
    job_fields = {**SAME, "stdout_max": 4 * MIB}
    deaf = EventStream(balancer, job=job_fields)
    job = take_watched(slot)
    deaf.begin()
    stream = EventStream(balancer, job=job_fields)
    chunk = bytes(range(64)) * 1024
    for _ in range(4 * MIB // len(chunk)):
        slot.output(job, ("stdout", chunk))
    stream.wait_for_output(chunk * (4 * MIB // len(chunk)))
    slot.answer(job, chunk * (4 * MIB // len(chunk)))
    assert kinds(stream.rest()) == ["result"]
    deaf.close()
    eventually(lambda: balancer.metric("pe_requests_open") == 0, "both requests have ended")


def test_output_for_which_there_is_no_memory_comes_with_the_result(start_balancer):
    balancer = start_balancer("--results-mib", "4", "--cache-mib", "0")
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job={**JOB, "stdout_max": 4 * MIB})
    job = take_watched(slot)
    chunk = b"x" * 65536
    for _ in range(48):
        slot.output(job, ("stdout", chunk))
    slot.answer(job, chunk * 48)
    events = stream.rest()
    assert output_of(events) == chunk * 48
    assert events[-1]["type"] == "result"
    eventually(lambda: balancer.metric("pe_result_bytes") == 0, "all memory is free again")


# ---- a worker that lies ----


@pytest.mark.parametrize(
    "parts, reason",
    [
        ([("stdout", b"x" * 65536)] * 17, "more output than its limit"),
        ([("stderr", b"x" * 65536)] * 17, "more output than its limit"),
    ],
)
def test_a_worker_that_sends_more_than_the_limit_loses_its_job(balancer, parts, reason):
    _, second, first = live_worker(balancer, slots=2)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(second)
    for part in parts:
        second.output(job, part)
    assert reason in refusal_of(second)
    first.answer(take_watched(first), b"honest\n")
    events = stream.rest()
    begin = kinds(events).index("restarted")
    assert output_of(events[begin:]) == b"honest\n"


def announce(slot, job, *parts, data=b""):
    slot.send_message(
        type="output", id=job["id"], parts=[{"kind": kind, "size": size} for kind, size in parts]
    )
    if data:
        slot.send(BINARY, data)


@pytest.mark.parametrize(
    "lie",
    [
        lambda slot, job: announce(slot, job, ("stdout", 3), data=b"four"),
        lambda slot, job: announce(slot, job, ("stdout", 5), data=b"four"),
        lambda slot, job: announce(slot, job, ("stdout", 65537), data=b"x"),
        lambda slot, job: announce(slot, job, ("combined", 1), data=b"x"),
        lambda slot, job: (announce(slot, job, ("stdout", 1)), announce(slot, job, ("stdout", 1))),
        lambda slot, job: (announce(slot, job, ("stdout", 1)), slot.answer(job)),
        lambda slot, job: slot.send(BINARY, b"unannounced"),
        lambda slot, job: slot.send_message(type="taken", id=job["id"], bytes=1),
        lambda slot, job: (slot.result(job, b"x"), announce(slot, job, ("stdout", 1), data=b"x")),
        lambda slot, job: slot.send_message(type="output", id="0" * 32, parts=[]),
    ],
)
def test_a_worker_that_breaks_the_protocol_loses_its_job(balancer, lie):
    _, second, first = live_worker(balancer, slots=2)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(second)
    lie(second, job)
    assert refusal_of(second)
    first.answer(take_watched(first), b"honest\n")
    events = stream.rest()
    assert output_of(events[kinds(events).index("restarted") :]) == b"honest\n"
    assert balancer.health()["status"] == "ok"


def test_output_after_the_result_closes_the_slot_and_leaves_the_result(balancer):
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(slot)
    slot.answer(job, b"done\n", ready=False)
    announce(slot, job, ("stdout", 1), data=b"x")
    assert "output" in refusal_of(slot)
    assert output_of(stream.rest()) == b"done\n"


def test_output_of_a_job_that_nobody_watches_is_a_violation(balancer):
    _, slot = live_worker(balancer)
    plain = Background(balancer.post, job=JOB)
    job, _ = slot.take_job()
    announce(slot, job, ("stdout", 1), data=b"x")
    assert "nobody asked" in refusal_of(slot)
    _, other = live_worker(balancer, host="h2")
    other.answer(other.take_job()[0])
    assert plain.done(4 * PATIENCE).status == 200


def test_output_that_crosses_a_cancellation_is_ignored(balancer):
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(slot)
    announce(slot, job, ("stdout", 4))
    stream.begin()
    stream.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    slot.send(BINARY, b"late")
    slot.output(job, ("stdout", b"later"))
    slot.send_message(
        type="error",
        id=job["id"],
        problem={"type": "/problems/canceled", "title": "x", "status": 499, "detail": "x"},
    )
    slot.ready()
    assert balancer.run_on(slot, b"next\n").form()[1][2] == b"next\n"


def test_a_part_that_is_empty_or_a_result_that_is_shorter_than_what_was_streamed_harms_nobody(balancer):
    _, slot = live_worker(balancer)
    stream = EventStream(balancer, job=JOB)
    job = take_watched(slot)
    slot.output(job, ("stdout", b"longer than the result"))
    stream.wait_for_output(b"longer than the result")
    slot.answer(job, b"short")
    assert kinds(stream.rest()) == ["result"]
    assert bytes_of({"text": ""}) == b""
