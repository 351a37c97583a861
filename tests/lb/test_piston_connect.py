# SPDX-License-Identifier: Apache-2.0
"""GET /api/v2/connect, Piston's WebSocket: its messages and close codes, and clients that break its rules."""
import contextlib
import json

import pytest

from fixtures.interactive import WINDOW, Program, Session
from fixtures.stand_in_worker import BINARY, TEXT, Closed, Slot, WebSocket, image
from fixtures.waiting import eventually

RUNTIME = {
    "language": "c",
    "version": "14.2.0",
    "aliases": ["gcc"],
    "compile": ["cc", "{files}"],
    "run": ["./a.out", "{args}"],
}
IMAGE = {**image("gcc:14"), "piston": [RUNTIME]}
INIT = {
    "type": "init",
    "language": "gcc",
    "version": "*",
    "files": [{"name": "a.c", "content": "int x;", "encoding": "utf8"}],
    "args": ["1"],
}
RUNTIME_MESSAGE = {"type": "runtime", "language": "c", "version": "14.2.0"}
CANCELED = {"type": "/problems/canceled", "title": "x", "status": 499, "detail": "x"}
MIB = 1 << 20


def frame(kind, data=b""):
    return kind + len(data).to_bytes(3, "big") + data


def end(text=b"end=exited\ncode=0\n"):
    return frame(b"E", text)


def data(text, stream="stdout"):
    return {"type": "data", "stream": stream, "data": text}


def exit_message(stage, code=0, signal=None):
    return {"type": "exit", "stage": stage, "code": code, "signal": signal}


class Client(WebSocket):
    def __init__(self, balancer, init=INIT, path="/api/v2/connect"):
        super().__init__(balancer.address, path, protocol=None)
        assert self.status == 101, self.head
        if init:
            self.say(init)

    def say(self, message):
        self.send(TEXT, message if isinstance(message, bytes) else json.dumps(message).encode())

    def type(self, text):
        self.say({"type": "data", "stream": "stdin", "data": text})

    def rest(self):
        """(messages, close code, reason) up to the close of the connection."""
        messages = []
        try:
            while True:
                messages.append(self.message())
        except Closed as closed:
            self.close()
            return messages, closed.code, closed.reason

    def message(self, timeout=60):
        return Session.event(self, None, timeout)

    def ended(self):
        messages, code, reason = self.rest()
        assert (code, reason) == (4999, "Job Completed"), (messages, code, reason)
        return messages

    def error(self):
        messages, code, reason = self.rest()
        assert (code, reason) == (4002, "Notified Error"), (messages, code, reason)
        assert messages[-1]["type"] == "error" and list(messages[-1]) == ["type", "message"]
        return messages[-1]["message"]


@pytest.fixture
def slot(balancer):
    return balancer.worker(images=[IMAGE], live=1)[1]


def start(balancer, slot):
    client = Client(balancer)
    program = Program(slot)
    assert client.message() == RUNTIME_MESSAGE
    return client, program


def test_a_job_has_the_messages_of_piston_in_their_order(balancer, slot):
    for path in "/api/v2/connect", "/api/v2/piston/connect/":
        client = Client(balancer, path=path)
        program = Program(slot)
        job = program.message["job"]
        assert program.message["input"] == {}
        assert program.files == [("a.c", b"int x;")]
        assert job["cmd"][:4] == ["/dev/pe-shim", "stages", "", "compile"]
        assert job["cmd"][-2:] == ["./a.out", "1"]
        assert client.message() == RUNTIME_MESSAGE
        report = frame(b"B", b"compile") + frame(b"e", b"a warning\n")
        program.print(report)
        assert client.message() == {"type": "stage", "stage": "compile"}
        assert client.message() == data("a warning\n", "stderr")
        more = end() + frame(b"B", b"run") + frame(b"o", b"name? ")
        program.print(more)
        assert client.message() == exit_message("compile")
        assert client.message() == {"type": "stage", "stage": "run"}
        assert client.message() == data("name? ")
        client.type("Ada\n")
        assert program.read(4) == b"Ada\n"
        last = frame(b"o", b"hello, Ada\n") + end(b"end=exited\ncode=3\n")
        program.exit(report + more + last)
        assert client.ended() == [data("hello, Ada\n"), exit_message("run", 3)]


def test_a_compiler_that_fails_is_the_last_stage(balancer, slot):
    client, program = start(balancer, slot)
    program.exit(frame(b"B", b"compile") + frame(b"e", b"no") + end(b"end=exited\ncode=1\n"))
    assert client.ended() == [
        {"type": "stage", "stage": "compile"},
        data("no", "stderr"),
        exit_message("compile", 1),
    ]


def test_how_a_stage_ended_is_told_as_in_piston(balancer, slot):
    for text, code, signal in [
        (b"end=signaled\nsignal=11\n", None, "SIGSEGV"),
        (b"end=wall\n", None, "SIGKILL"),
        (b"end=cpu\n", None, "SIGKILL"),
        (b"end=stdout\n", None, "SIGKILL"),
        (b"end=failed\n", None, None),
    ]:
        client, program = start(balancer, slot)
        program.exit(frame(b"B", b"compile") + end(text))
        assert client.ended()[-1] == exit_message("compile", code, signal), text


def test_a_job_that_is_ended_as_a_whole_ends_its_stage(balancer, slot):
    client, program = start(balancer, slot)
    program.exit(frame(b"B", b"compile") + frame(b"o", b"so far"), status="timeout")
    assert client.ended()[-2:] == [data("so far"), exit_message("compile", None, "SIGKILL")]


def test_characters_that_arrive_in_pieces_are_whole_and_other_bytes_are_replaced(balancer, slot):
    client, program = start(balancer, slot)
    euro = "€".encode()
    report = frame(b"B", b"compile") + frame(b"o", b"a" + euro[:1]) + frame(b"e", b"\xff" + euro)
    report += frame(b"o", euro[1:]) + frame(b"o", euro[:2]) + frame(b"e", euro[:1]) + end()
    for i in range(len(report)):
        program.print(report[i : i + 1])
    program.exit(report)
    messages = client.ended()
    text = {"stdout": "", "stderr": ""}
    for message in messages[1:-1]:
        text[message["stream"]] += message["data"]
    assert text["stdout"].startswith("a€\ufffd") and text["stderr"].startswith("\ufffd€\ufffd"), text
    assert set(text["stdout"][2:] + text["stderr"][2:]) == {"\ufffd"}
    assert messages[-1] == exit_message("compile")


def test_messages_are_json_in_text_or_binary_and_unknown_ones_are_ignored(balancer, slot):
    client = Client(balancer, init=None)
    client.say({"type": "news"})
    client.say({})
    client.send(BINARY, json.dumps({**INIT, "stdin": "ignored"}).encode())
    program = Program(slot)
    client.say({"type": "news"})
    client.type("x")
    assert program.read(1) == b"x"
    program.exit(frame(b"B", b"compile") + end())
    client.ended()


def test_a_signal_reaches_the_program_and_one_that_it_cannot_get_is_ignored(balancer, slot):
    client, program = start(balancer, slot)
    client.say({"type": "signal", "signal": "SIGSEGV"})
    client.say({"type": "signal", "signal": "SIGINT"})
    assert program.receive() == ("signal", {"signal": 2})
    program.exit(frame(b"B", b"compile") + end())
    client.ended()


@pytest.mark.parametrize(
    "message, code, reason",
    [
        (INIT, 4000, "Already Initialized"),
        ({"type": "data", "stream": "stdout", "data": "x"}, 4004, "Can only write to stdin"),
        ({"type": "data", "data": "x"}, 4004, "Can only write to stdin"),
        ({"type": "signal", "signal": "SIGNAL"}, 4005, "Invalid signal"),
        ({"type": "signal", "signal": "INT"}, 4005, "Invalid signal"),
        ({"type": "signal", "signal": 2}, 4005, "Invalid signal"),
        ({"type": "signal"}, 4005, "Invalid signal"),
    ],
)
def test_a_message_that_breaks_the_rules_closes_the_connection_and_cancels_the_job(
    balancer, slot, message, code, reason
):
    client, program = start(balancer, slot)
    client.say(message)
    assert client.rest() == ([], code, reason)
    assert program.receive() == ("cancel", {})


@pytest.mark.parametrize(
    "message",
    [{"type": "data", "stream": "stdin", "data": "x"}, {"type": "signal", "signal": "SIGINT"}],
)
def test_before_init_nothing_can_be_typed(balancer, message):
    client = Client(balancer, init=message)
    assert client.rest() == ([], 4003, "Not yet initialized")


def test_a_client_that_sends_no_init_is_closed_also_if_it_sends_something_else(balancer):
    for messages in [], [{"type": "news"}] * 3:
        client = Client(balancer, init=None)
        for message in messages:
            client.say(message)
        assert client.rest() == ([], 4001, "Initialization Timeout")


@pytest.mark.parametrize(
    "init, message",
    [
        ({**INIT, "language": 1}, "language is required as a string"),
        ({**INIT, "files": [{}]}, "files[0].content is required as a string"),
        ({**INIT, "language": "cobol", "version": "1"}, "cobol-1 runtime is unknown"),
        ({**INIT, "run_timeout": 1e9}, "run_timeout cannot exceed the configured limit of 3000"),
        (b"{", "JSON object"),
        (b"null", "JSON object"),
        (b"[" * 100_000, "larger than"),
        ({**INIT, "files": [{"content": "x" * 5 * MIB}]}, "larger than"),
    ],
)
def test_what_is_wrong_with_a_job_is_told_before_the_connection_is_closed(
    balancer, slot, init, message
):
    assert message in Client(balancer, init).error()


def test_a_program_that_reads_nothing_gets_a_window_and_the_rest_waits_up_to_a_limit(balancer, slot):
    client, program = start(balancer, slot)
    text = "0123456789" * 6000
    for _ in range(10):
        client.type(text)
    assert program.read(10 * len(text)).decode() == text * 10
    with pytest.raises((Closed, OSError)):
        for _ in range(200):  # the limit is reached long before
            client.type("x" * 500_000)
        raise Closed()
    program.slot.sock.settimeout(60)
    while program.receive() != ("cancel", {}):
        pass
    eventually(lambda: balancer.metric("pe_interactive_connections") == 0, "nothing is left of it")


def test_as_much_as_a_window_is_sent_to_a_program_that_reads_nothing(balancer, slot):
    client, program = start(balancer, slot)
    for piece in "a" * 40000, "b" * (WINDOW - 40000):
        client.type(piece)
        assert program.receive() == ("input", piece.encode())
    client.close()
    assert program.receive() == ("cancel", {})


def test_a_file_may_be_empty(balancer, slot):
    client = Client(balancer, {**INIT, "files": [{"name": "a.c", "content": ""}]})
    assert Program(slot).files == [("a.c", b"")]
    client.close()


def test_typed_text_has_to_be_text(balancer, slot):
    client, program = start(balancer, slot)
    client.say({"type": "data", "stream": "stdin", "data": 5})
    assert client.error() == "data is required as a string"
    assert program.receive() == ("cancel", {})


def test_a_client_that_leaves_at_any_step_cancels_its_job(balancer, slot):
    clients = [Client(balancer, init=None)]
    for client in clients:
        client.close()
    for steps in range(3):
        client, program = start(balancer, slot)
        if steps > 0:
            program.print(frame(b"B", b"compile")[:5])
        if steps > 1:
            client.type("x")
            assert program.receive()[0] == "input"
        client.close()
        assert program.receive() == ("cancel", {})
        slot.send_message(type="error", id=program.id, problem=CANCELED)
        slot.ready()
    eventually(lambda: balancer.metric("pe_interactive_connections") == 0, "nothing is left of them")


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"X\0\0\1x",
        frame(b"o", b"before a stage"),
        frame(b"B", b""),
        frame(b"B", b"x" * 65),
        frame(b"B", b"compile") + frame(b"B", b"run"),
        frame(b"B", b"compile") + end(b"end=never\n"),
        frame(b"B", b"compile") + end(b"x" * 5000),
        frame(b"B", b"compile") + end() + frame(b"o", b"after"),
    ],
)
def test_a_guest_that_sends_no_report_is_an_error(balancer, slot, report):
    client, program = start(balancer, slot)
    if report:
        program.print(report)
    program.exit(report)
    assert client.error() == "the program has ended without saying how"


def test_what_follows_the_end_is_ignored(balancer, slot):
    client, program = start(balancer, slot)
    program.exit(frame(b"B", b"compile") + end())
    while client.message() != exit_message("compile"):
        pass
    eventually(lambda: balancer.health()["running"] == 0, "the job has ended")
    with contextlib.suppress(OSError):  # the connection may be closed already
        client.type("late")
        client.say(INIT)
    client.ended()


def test_right_after_the_start_a_connection_waits_for_a_worker_with_its_runtime(start_balancer):
    balancer = start_balancer("--gather-ms", "60000")
    client = Client(balancer)
    balancer.register(images=[IMAGE], live=1)
    program = Program(Slot(balancer.address, live=1))
    assert client.message() == RUNTIME_MESSAGE
    program.exit(frame(b"B", b"compile") + end())
    client.ended()


def test_connections_that_wait_for_workers_take_up_room_in_the_queue(start_balancer):
    balancer = start_balancer("--gather-ms", "60000", "--queue-jobs", "1")
    first = Client(balancer)
    error = eventually(lambda: Client(balancer).error(), "another one is refused")
    assert "1 jobs are waiting already" in error
    first.close()
    second = Client(balancer)
    balancer.register(images=[IMAGE], live=1)
    program = Program(Slot(balancer.address, live=1))
    assert second.message() == RUNTIME_MESSAGE
    program.exit(frame(b"B", b"compile") + end())
    second.ended()


def test_a_connection_whose_runtime_is_known_needs_no_room_in_the_queue(start_balancer):
    balancer = start_balancer("--gather-ms", "60000", "--queue-jobs", "1")
    waiting = Client(balancer, init={**INIT, "language": "unknown"})
    assert "waiting already" in eventually(
        lambda: Client(balancer, init={**INIT, "language": "unknown"}).error(), "the queue is full"
    )
    balancer.register(images=[IMAGE], live=1)
    slot = Slot(balancer.address, live=1)
    client = Client(balancer)
    program = Program(slot)
    assert client.message() == RUNTIME_MESSAGE
    program.exit(frame(b"B", b"compile") + end())
    client.ended()
    waiting.close()


def test_a_worker_that_cannot_do_it_and_a_lost_one_are_errors_with_a_reason(balancer):
    registration, old = balancer.worker(images=[IMAGE])
    assert "cannot run interactive jobs" in Client(balancer).error()
    old.close()
    registration.close()
    registration, slot = balancer.worker(images=[IMAGE], live=1, host="h2")
    client, program = start(balancer, slot)
    slot.close()
    assert "program is lost" in client.error()


def test_a_page_from_elsewhere_cannot_connect_and_a_request_that_is_no_handshake_is_told_so(start_balancer):
    balancer = start_balancer("--cors-origin", "https://page.example")
    for origin, status in [("https://evil.example", 403), ("https://page.example", 101), ("http://lb", 101)]:
        client = WebSocket(
            balancer.address, "/api/v2/connect", protocol=None, headers=[("Origin", origin)]
        )
        assert client.status == status, origin
        client.close()
    response = balancer.request("GET", "/api/v2/connect")
    assert response.status == 426
    assert "WebSocket" in response.json()["message"]
