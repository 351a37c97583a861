# SPDX-License-Identifier: Apache-2.0
"""GET /v1/connect: a job whose input is typed while it runs."""
import base64
import contextlib
import json

import pytest

from fixtures.events import kinds, output_of
from fixtures.http_client import JOB
from fixtures.interactive import (
    TTY,
    WINDOW,
    Program,
    Session,
    assert_all_is_free,
    is_silent,
)
from fixtures.openapi import validate
from fixtures.stand_in_worker import BINARY, TEXT, Closed, Slot
from fixtures.waiting import Background, eventually

MIB = 1 << 20
CANCELED = {"type": "/problems/canceled", "title": "x", "status": 499, "detail": "x"}


def live_worker(balancer, slots=1, **options):
    return balancer.worker(slots=slots, live=1, **options)


def start(balancer, slot, job=JOB, tty=None, **options):
    """A session, and its program, which runs."""
    session = Session(balancer.address, job, tty, **options)
    program = Program(slot)
    assert kinds([session.event(), session.event()]) == ["queued", "started"]
    return session, program


# ---- a session from its begin to its end ----


def test_a_program_reads_what_is_typed_and_its_output_is_seen_at_once(balancer):
    _, slot = live_worker(balancer)
    session = Session(balancer.address, {**JOB, "files": {"a.txt": "content"}}, TTY)
    assert len(session.event("queued")["id"]) == 32
    program = Program(slot)
    assert program.message["input"] == {"tty": TTY}
    assert program.files == [("a.txt", b"content")]
    assert session.event("started") == {"type": "started", "input_window": WINDOW}
    program.print(b"name? ")
    session.wait_for_output(b"name? ")
    session.type("Ada\n")
    assert program.read(4) == b"Ada\n"
    assert session.event() == {"type": "taken", "bytes": 4}
    program.print(b"hello, Ada\n")
    session.wait_for_output(b"hello, Ada\n")
    program.exit(b"name? hello, Ada\nbye\n", files=[("out", b"\xff")], exit_code=3)
    events = session.rest()
    assert kinds(events) == ["stdout", "file", "result"]
    assert output_of(events) == b"bye\n"
    assert (events[-1]["exit_code"], events[-1]["cached"]) == (3, False)
    validate(
        balancer.request("GET", "/openapi.json").body, [("Event", event) for event in events]
    )
    assert_all_is_free(balancer)


def test_input_has_every_form_and_ends(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    assert program.message["input"] == {}
    session.type("é\u0000")
    session.say(type="stdin", base64=base64.b64encode(b"\xff\x00").decode())
    session.send(BINARY, b"binary")
    assert program.read(11) == "é\u0000".encode() + b"\xff\x00binary"
    session.say(type="eof")
    assert program.receive() == ("eof", {})
    program.exit()
    session.rest()


def test_windows_and_signals_reach_the_program(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot, tty=TTY)
    session.say(type="resize", rows=50, cols=132)
    assert program.receive() == ("resize", {"rows": 50, "cols": 132})
    for name, number in [("INT", 2), ("KILL", 9), ("WINCH", 28)]:
        session.say(type="signal", signal=name)
        assert program.receive() == ("signal", {"signal": number})
    program.exit(status="signaled", exit_code=None, signal=9)
    assert session.rest()[-1]["signal"] == 9


def test_input_may_be_sent_before_the_program_starts(balancer):
    balancer.register(live=1)
    session = Session(balancer.address, JOB, TTY)
    session.event("queued")
    session.type("early\n")
    session.say(type="resize", rows=9, cols=9)
    program = Program(Slot(balancer.address, live=1))
    assert program.message["input"]["tty"] == {**TTY, "rows": 9, "cols": 9}
    assert program.read(6) == b"early\n"
    program.exit()
    session.rest()


def test_a_large_job_arrives_in_one_message_and_a_large_file_leaves_in_one(balancer):
    _, slot = live_worker(balancer)
    content, result = bytes(range(256)) * (8 * MIB // 256), b"\x00\xff" * (4 * MIB)
    large = {"base64": base64.b64encode(content).decode()}
    job = {**JOB, "files": {"large": large, "nul": "a\0b"}}
    session, program = start(balancer, slot, job=job)
    assert program.files == [("large", content), ("nul", b"a\0b")]
    program.exit(files=[("result", result)])
    events = session.rest()
    assert base64.b64decode(events[0]["base64"]) == result


def test_the_job_gets_the_limits_of_an_interactive_one(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    job = program.message["job"]
    assert job["timeout_ms"] == 1800000
    assert (job["stdout_max"], job["stderr_max"], job["on_output_limit"]) == (8 * MIB, 8 * MIB, "stop")
    program.exit()
    session.rest()
    fields = {**JOB, "timeout_ms": 1000, "stdout_max": 5, "on_output_limit": "cut"}
    session, program = start(balancer, slot, job=fields)
    job = program.message["job"]
    assert (job["timeout_ms"], job["stdout_max"], job["on_output_limit"]) == (1000, 5, "cut")
    program.exit()
    session.rest()


def test_such_a_job_is_neither_cached_nor_joined(balancer):
    _, *slots = live_worker(balancer, slots=4)
    job = {"image": "gcc:14", "cmd": ["same"]}
    sessions = [start(balancer, slot, job=job) for slot in slots[:2]]
    for session, program in sessions:
        program.exit(b"x", ready=False)
        assert not session.rest()[-1]["cached"]


# ---- the window of input ----


def test_a_window_of_input_may_be_under_way_and_not_more(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    session.send(BINARY, b"x" * WINDOW)
    kind, data = program.receive()
    assert (kind, len(data)) == ("input", WINDOW)
    program.taken(10)
    assert session.event("taken")["bytes"] == 10
    session.type("0123456789")
    assert program.receive() == ("input", b"0123456789")
    session.type("!")
    name, detail = session.problem()
    assert name == "input-overflow" and "65536" in detail
    assert program.receive() == ("cancel", {})
    assert_all_is_free(balancer)


def test_a_binary_message_that_is_larger_than_the_window_is_too_much_input(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    session.send(BINARY, b"x" * (WINDOW + 1))
    assert session.problem()[0] == "input-overflow"
    assert program.receive() == ("cancel", {})
    assert_all_is_free(balancer)


def test_who_types_100_mb_with_the_window_loses_nothing(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    chunk, total = bytes(range(256)) * 256, 100 * 1000 * 1000 // WINDOW
    for _ in range(total):
        session.send(BINARY, chunk)
        assert program.read(WINDOW) == chunk
        taken = 0
        while taken < WINDOW:
            taken += session.event("taken")["bytes"]
    program.exit()
    session.rest()


def test_who_types_100_mb_without_looking_is_stopped(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    try:
        for _ in range(100 * 1000 * 1000 // WINDOW):
            session.send(BINARY, b"x" * WINDOW)
    except OSError:
        pass  # the balancer closed the connection
    received = 0
    while (message := program.receive())[0] == "input":
        received += len(message[1])
    assert message == ("cancel", {})
    assert received <= WINDOW
    session.close()
    assert_all_is_free(balancer)


def test_ten_thousand_window_sizes_become_few_and_the_last_one_counts(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot, tty=TTY)
    with session.at_once():
        for size in range(1, 10001):
            session.say(type="resize", rows=size % 4096 + 1, cols=7)
        session.type("x")
    resizes = []
    while (message := program.receive())[0] == "resize":
        resizes.append(message[1])
    while not resizes or resizes[-1] != {"rows": 10000 % 4096 + 1, "cols": 7}:
        resizes.append(program.receive()[1])
    assert len(resizes) < 1000
    program.exit()
    session.rest()


# ---- limits ----


def test_at_most_half_of_the_slots_have_interactive_jobs(balancer):
    _, *slots = live_worker(balancer, slots=4)
    sessions = [start(balancer, slot) for slot in slots[:2]]
    name, detail = Session(balancer.address, JOB).problem()
    assert name == "no-capacity" and "--interactive-jobs" in detail
    assert balancer.metric("pe_interactive_refused_total") == 1
    sessions[0][1].exit(ready=False)
    sessions[0][0].rest()
    third, program = start(balancer, slots[2])
    program.exit()
    third.rest()


def test_the_operator_chooses_how_many(start_balancer):
    balancer = start_balancer("--interactive-jobs", "1")
    _, *slots = live_worker(balancer, slots=4)
    running = start(balancer, slots[0])
    assert Session(balancer.address, JOB).problem()[0] == "no-capacity"
    assert running


def test_a_session_without_input_and_output_ends(start_balancer):
    balancer = start_balancer("--interactive-idle-ms", "500")
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    name, detail = session.problem()
    assert name == "interactive-idle"
    assert program.receive() == ("cancel", {})
    assert_all_is_free(balancer)


def test_the_time_limit_of_the_operator_is_the_most_that_a_job_can_ask_for(start_balancer):
    balancer = start_balancer("--interactive-ms", "70000")
    _, slot = live_worker(balancer)
    name, detail = Session(balancer.address, {**JOB, "timeout_ms": 70001}).problem()
    assert name == "invalid-job" and "70000" in detail
    session, program = start(balancer, slot, job={**JOB, "timeout_ms": 70000})
    assert program.message["job"]["timeout_ms"] == 70000
    program.exit()
    session.rest()


def test_the_limits_of_an_address_hold_for_sessions(start_balancer):
    balancer = start_balancer("--client-jobs", "1")
    _, *slots = live_worker(balancer, slots=4)
    running = start(balancer, slots[0])
    assert Session(balancer.address, JOB).problem()[0] == "too-many-requests"
    assert running


def test_first_messages_of_all_clients_together_are_bounded(start_balancer):
    balancer = start_balancer("--queue-mib", "1")
    live_worker(balancer)
    session = Session(balancer.address)
    session.say(type="run", job={**JOB, "files": {"a": "x" * 2 * MIB}})
    name, detail = session.problem()
    assert name == "no-capacity" and "1 MiB" in detail
    assert_all_is_free(balancer)


def test_what_a_refused_client_goes_on_sending_is_not_kept(monkeypatch, start_balancer):
    # In a sanitized build, ASan would keep 256 MiB of memory that has been freed.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    balancer = start_balancer("--queue-mib", "1")
    live_worker(balancer)
    message = json.dumps({"type": "run", "job": {**JOB, "files": {"a": "x" * 30 * MIB}}}).encode()
    before = balancer.peak_memory()
    sessions = [Session(balancer.address) for _ in range(8)]
    senders = [Background(session.send, TEXT, message) for session in sessions]
    for session, sender in zip(sessions, senders):
        with contextlib.suppress(OSError):  # the balancer may close before it has read everything
            sender.done()
        assert session.problem()[0] == "no-capacity"
    assert balancer.peak_memory() - before < 30 * MIB, "the message of one client"
    for session in sessions:
        session.close()
    assert_all_is_free(balancer)


def test_a_client_whose_first_message_was_wrong_cannot_send_a_large_one(balancer):
    before = balancer.peak_memory()
    sessions = [Session(balancer.address) for _ in range(8)]
    for session in sessions:
        session.send(BINARY, b"x")
        sender = Background(session.send, TEXT, b"x" * 30 * MIB)
        with contextlib.suppress(OSError):
            sender.done()
    assert balancer.peak_memory() - before < 30 * MIB, "the message of one client"
    for session in sessions:
        session.close()
    assert_all_is_free(balancer)


# ---- who may connect ----


@pytest.mark.parametrize(
    "origin, status",
    [("http://lb", 101), ("https://lb", 101), ("http://evil.example", 403), ("null", 403), ("", 403)],
)
def test_a_page_of_another_origin_may_not_connect(balancer, origin, status):
    assert Session(balancer.address, headers=[("Origin", origin)]).status == status


def test_the_operator_allows_origins(start_balancer):
    balancer = start_balancer("--cors-origin", "https://page.example")
    good, bad = [("Origin", "https://page.example")], [("Origin", "https://page.example.evil")]
    assert Session(balancer.address, headers=good).status == 101
    assert Session(balancer.address, headers=bad).status == 403


def test_a_request_that_is_no_handshake_is_refused(balancer):
    assert balancer.request("GET", "/v1/connect").problem()["type"] == "/problems/malformed-request"
    assert balancer.request("POST", "/v1/connect").status == 405


# ---- refusals ----


def test_without_workers_or_images_the_reason_is_the_last_event(balancer):
    assert Session(balancer.address, JOB).problem()[0] == "no-worker"
    live_worker(balancer)
    name, detail = Session(balancer.address, {**JOB, "image": "gcc:15"}).problem()
    assert name == "unknown-image" and "gcc:14" in detail


def test_workers_that_cannot_pass_on_input_are_no_help(balancer):
    balancer.worker(host="old")
    name, detail = Session(balancer.address, JOB).problem()
    assert name == "live-unavailable" and "older version" in detail


def test_a_job_with_input_goes_only_to_a_slot_that_can_pass_it_on(balancer):
    _, old = balancer.worker(host="old")
    _, slot = live_worker(balancer, host="new")
    session, program = start(balancer, slot)
    assert is_silent(old)
    program.exit()
    session.rest()


def test_a_job_waits_for_such_a_slot_for_its_time(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "300")
    balancer.register(live=1)
    session = Session(balancer.address, JOB)
    session.event("queued")
    assert session.problem()[0] == "no-capacity"


def test_just_after_the_start_a_session_waits_for_workers(start_balancer):
    balancer = start_balancer("--gather-ms", "60000", quick=False)
    session = Session(balancer.address, JOB)
    _, opcode, queued = session.receive_piece()
    assert (opcode, json.loads(queued)["type"]) == (TEXT, "queued")  # no ping came before
    balancer.register(live=1)
    program = Program(Slot(balancer.address, live=1))
    session.event("started")
    program.exit()
    session.rest()


BAD_MESSAGES = [
    ("{", "JSON object: a string is expected"),
    ("[]", "JSON object"),
    ('"run"', "JSON object"),
    ("{}", "type"),
    ('{"type": "dance"}', "dance"),
    ('{"type": 1}', "'type' of a message: a string is expected"),
    ('{"type": "stdin"}', "text"),
    ('{"type": "stdin", "text": 1}', "'text' of a message: a string is expected"),
    ('{"type": "stdin", "text": "a", "base64": "YQ=="}', "'base64' of a message: there is another"),
    ('{"type": "stdin", "base64": "YQ"}', "base64"),
    ('{"type": "stdin", "base64": "Y Q="}', "base64"),
    ('{"type": "stdin", "text": "a", "color": 1}', "color"),
    ('{"type": "stdin", "text": "a", "rows": 1}', "text"),
    ('{"type": "eof", "text": "a"}', "eof"),
    ('{"type": "resize", "rows": 1}', "cols"),
    ('{"type": "resize", "rows": 0, "cols": 1}', "'rows' of a message: a window has at least"),
    ('{"type": "resize", "rows": 1, "cols": 4097}', "'cols' of a message: a number is out of range"),
    ('{"type": "resize", "rows": -1, "cols": 1}', "'rows' of a message: a number is out of range"),
    ('{"type": "signal"}', "signal"),
    ('{"type": "signal", "signal": "STOP"}', "STOP"),
    ('{"type": "signal", "signal": 9}', "'signal' of a message: a string is expected"),
    ('{"type": "run", "job": {}}', "second"),
]


@pytest.mark.parametrize("text, detail", BAD_MESSAGES)
def test_a_message_that_is_wrong_ends_the_session_with_the_reason(balancer, text, detail):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    session.send(TEXT, text.encode())
    name, reason = session.problem()
    assert name == "malformed-request" and detail in reason
    assert program.receive() == ("cancel", {})


@pytest.mark.parametrize(
    "message, name, detail",
    [
        ({"type": "stdin", "text": "x"}, "malformed-request", "run"),
        ({"type": "run"}, "malformed-request", "job"),
        ({"type": "run", "job": 1}, "malformed-request", "JSON"),
        ({"type": "run", "job": {}}, "invalid-job", "image"),
        ({"type": "run", "job": {**JOB, "colour": 1}}, "invalid-job", "colour"),
        ({"type": "run", "job": {**JOB, "files": {"a": 1}}}, "invalid-job", "'a'"),
        ({"type": "run", "job": {**JOB, "files": {"../a": ""}}}, "invalid-job", "../a"),
        ({"type": "run", "job": {**JOB, "files": {"a": ""}, "stdin": "a"}}, "invalid-job", "stdin"),
        ({"type": "run", "job": JOB, "tty": {"rows": 1}}, "malformed-request", "'tty' of a"),
        ({"type": "run", "job": JOB, "tty": {**TTY, "term": "a b"}}, "malformed-request", "terminal"),
        ({"type": "run", "job": JOB, "tty": True}, "malformed-request", "an object is expected"),
        ({"type": "run", "job": JOB, "more": 1}, "malformed-request", "more"),
    ],
)
def test_a_job_that_is_wrong_is_refused_with_the_reason(balancer, message, name, detail):
    live_worker(balancer)
    session = Session(balancer.address)
    session.say(**message)
    problem, reason = session.problem()
    assert (problem, detail in reason) == (name, True), reason
    assert_all_is_free(balancer)


def test_duplicate_files_are_refused(balancer):
    live_worker(balancer)
    session = Session(balancer.address)
    text = '{"type":"run","job":{"image":"gcc:14","files":{"a":"1","a":"2"}}}'
    session.send(TEXT, text.encode())
    assert session.problem()[0] == "invalid-job"


# ---- ends in the middle ----


def test_input_for_a_job_that_has_ended_is_ignored(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    with session.at_once():
        program.exit(b"done\n")
        for _ in range(100):
            session.type("late\n")
    assert session.rest()[-1]["type"] == "result"
    assert_all_is_free(balancer)


def leave_silently(balancer, slot):
    Session(balancer.address).close()


def leave_in_the_first_message(balancer, slot):
    session = Session(balancer.address)
    session.sock.sendall(b"\x81\xff" + (1 << 20).to_bytes(8, "big") + b"\0\0\0\0" + b'{"type":"run"')
    session.close()


def leave_after_the_job(balancer, slot):
    session = Session(balancer.address, JOB)
    program = Program(slot)
    session.close()
    give_up(program)


def leave_after_typing(balancer, slot):
    session, program = start(balancer, slot)
    session.send(BINARY, b"x" * WINDOW)
    session.close()
    give_up(program)


def leave_during_output(balancer, slot):
    session, program = start(balancer, slot)
    for _ in range(100):
        program.print(b"x" * 60000)
    session.close()
    give_up(program)


def leave_during_the_result(balancer, slot):
    session, program = start(balancer, slot)
    data = slot.result(program.message, files=[("large", b"x" * MIB)])
    slot.send_bytes(data[: MIB // 2])
    session.close()
    give_up(program)


def give_up(program):
    """Wait for the cancellation, and obey."""
    while program.receive()[0] != "cancel":
        pass
    program.slot.send_message(type="error", id=program.id, problem=CANCELED)
    program.slot.ready()


@pytest.mark.parametrize(
    "leave",
    [
        leave_silently,
        leave_in_the_first_message,
        leave_after_the_job,
        leave_after_typing,
        leave_during_output,
        leave_during_the_result,
    ],
)
def test_a_client_that_leaves_at_any_step_frees_everything(balancer, leave):
    _, slot = live_worker(balancer)
    leave(balancer, slot)
    assert_all_is_free(balancer)
    assert balancer.run_on(slot, b"next\n").form()[1][2] == b"next\n"


def test_a_client_that_never_reads_is_cut_off_and_its_job_ends(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    for _ in range(8 * MIB // 65536):
        program.print(b"x" * 65536)
    while program.receive()[0] != "cancel":
        pass
    session.close()
    assert_all_is_free(balancer)


@pytest.mark.parametrize("how", ["slot-lost", "vm-lost"])
def test_a_lost_program_is_not_run_again(balancer, how):
    _, second, first = live_worker(balancer, slots=2)
    session, program = start(balancer, second)
    program.print(b"before\n")
    session.wait_for_output(b"before\n")
    if how == "slot-lost":
        second.close()
    else:
        problem = {"type": "/problems/vm-lost", "title": "x", "status": 500, "detail": "it burns"}
        second.send_message(type="error", id=program.id, problem=problem)
    name, detail = session.problem()
    assert name == how and detail
    assert is_silent(first)
    assert_all_is_free(balancer)


@pytest.mark.parametrize("lie", [{"type": "taken", "bytes": 5}, {"type": "taken", "bytes": 0}])
def test_a_worker_that_takes_more_than_was_sent_is_closed(balancer, lie):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    session.type("four")
    program.receive()
    slot.send_message(id=program.id, **lie)
    with pytest.raises(Closed) as closed:
        slot.receive()
    assert closed.value.code == 1008
    assert session.problem()[0] == "slot-lost"


def test_a_problem_of_the_worker_is_the_last_event(balancer):
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    problem = {"type": "/problems/invalid-job", "title": "x", "status": 422, "detail": "no such file"}
    slot.send_message(type="error", id=program.id, problem=problem)
    assert session.problem() == ("invalid-job", "no such file")


def test_a_terminating_balancer_lets_sessions_end(start_balancer):
    balancer = start_balancer()
    _, slot = live_worker(balancer)
    session, program = start(balancer, slot)
    balancer.process.terminate()
    eventually(lambda: "shutting down" in balancer.log(), "the balancer is about to end")
    session.type("x")
    assert program.read(1) == b"x"
    program.exit(b"ok\n", ready=False)
    assert output_of(session.rest()) == b"ok\n"
    balancer.process.wait(60)
