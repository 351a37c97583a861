# SPDX-License-Identifier: Apache-2.0
"""pe-run mcp: agents that start their servers as programs."""
import json
import socket
import subprocess
import threading

import pytest

from fixtures import processes
from fixtures.pe_run import PE_RUN, environment, run
from fixtures.stub_server import Server
from fixtures.waiting import PATIENCE, eventually

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def request(number, method, **params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def call(number, image="gcc:14", **arguments):
    return request(number, "tools/call", name="run", arguments={"image": image, **arguments})


def lines(*messages):
    texts = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages)
    return b"".join(text + b"\n" for text in texts)


def answers(done):
    assert done.returncode == 0, done.stderr
    return {answer.get("id"): answer for answer in map(json.loads, done.stdout.splitlines())}


class Agent:
    """A pe-run mcp that is talked to."""

    def __init__(self, server):
        self.process = processes.start(
            [PE_RUN, "mcp", "--server", server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )

    def send(self, *messages):
        self.process.stdin.write(lines(*messages))
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code


@pytest.fixture
def agent(balancer):
    agent = Agent(balancer.address)
    yield agent
    processes.end(agent.process)


def test_a_session_of_each_revision_is_passed_on(balancer):
    balancer.worker()
    session = lines(
        request(1, "initialize", protocolVersion="2025-11-25", capabilities={}),
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        request("two", "tools/list"),
        request(3, "server/discover", _meta=MODERN),
        request(4, "tools/call", name="list_images", arguments={}, _meta=MODERN),
    )
    got = answers(run("mcp", "--server", balancer.address, stdin=session))
    assert set(got) == {1, "two", 3, 4}
    assert got[1]["result"]["protocolVersion"] == "2025-11-25"
    assert [tool["name"] for tool in got["two"]["result"]["tools"]][0] == "run"
    assert got[3]["result"]["supportedVersions"][0] == "2026-07-28"
    assert got[4]["result"]["content"][0]["text"].startswith("gcc:14")


def test_the_last_line_needs_no_end_and_blank_lines_mean_nothing(balancer):
    text = b"\n" * 65536 + b" \r\n" + lines(request(1, "ping"))[:-1]  # a whole buffer of them
    assert answers(run("mcp", "--server", balancer.address, stdin=text))[1]["result"] == {}


def test_requests_run_at_the_same_time(balancer, agent):
    _, slot = balancer.worker()
    agent.send(call(1), request(2, "ping"))
    assert agent.receive() == {"jsonrpc": "2.0", "id": 2, "result": {}}
    job, _ = slot.take_job()
    slot.answer(job, b"done")
    assert agent.receive()["result"]["structuredContent"]["stdout"] == "done"
    assert agent.end() == 0


def test_a_canceled_request_cancels_its_job_and_gets_no_answer(balancer, agent):
    _, slot = balancer.worker()
    agent.send(call("a"))
    job, _ = slot.take_job()
    params = {"requestId": "a"}
    agent.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    agent.send(request(2, "ping"))
    assert agent.receive()["id"] == 2
    assert agent.end() == 0


def test_output_is_passed_on_while_the_program_runs(balancer, agent):
    _, slot = balancer.worker(live=1)
    running = call(1)
    running["params"]["_meta"] = {"progressToken": "p"}
    agent.send(running)
    job, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    slot.output(job, ("stdout", b"one\n"))
    notifications = [agent.receive() for _ in range(3)]
    assert {one["method"] for one in notifications} == {"notifications/progress"}
    assert notifications[-1]["params"] == {"progressToken": "p", "progress": 6, "message": "one\n"}
    slot.answer(job, b"one\n")
    assert agent.receive()["result"]["structuredContent"]["stdout"] == "one\n"
    assert agent.end() == 0


def replies_of(*bodies, kind="text/event-stream"):
    """What pe-run mcp makes of a reply with this body, for each."""
    got = []
    for body in bodies:
        headers = {"Content-Type": kind}
        with Server((200, headers, body)) as server:
            done = run("mcp", "--server", server.url, stdin=lines(request(1, "ping")))
        assert done.returncode == 0, done.stderr
        got.append([json.loads(line) for line in done.stdout.splitlines()])
    return got


def test_events_are_read_in_every_form():
    answer = b'{"jsonrpc":"2.0","id":1,"result":{}}'
    note = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{}}'
    bodies = (
        b"data: " + note + b"\n\ndata: " + answer + b"\n\n",
        b"\r\n: hello\r\nid: 7\r\nevent: message\r\ndata:" + note + b"\r\n\r\ndata:" + answer + b"\r\n\r\n",
        b":\r\rdata: " + note + b"\rretry: 5\r\rdata: " + answer + b"\r\r",
    )
    for got in replies_of(*bodies):
        assert got == [json.loads(note), json.loads(answer)]


def test_events_that_end_without_an_answer_or_go_on_behind_it_become_an_error():
    note = b'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n'
    answer = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
    cut, none, garbage, two_lines, more = replies_of(
        note + answer[:-1], b"", b"data: <p>\n\n", b"data: {\ndata: }\n\n", answer + note
    )
    assert cut[1]["error"]["message"] == "the server ended its reply without an answer"
    assert "the server answered with status 200" in none[0]["error"]["message"]
    for got in garbage, two_lines:
        assert got[0]["error"]["message"] == "the server sent an event that is no message"
    assert more == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_what_cannot_be_passed_on_is_answered_with_an_error(balancer):
    text = lines(
        b"garbage",
        b"[]",
        b"7",
        request(1, "tools/call", name="é\n", arguments={}, _meta=MODERN),
        request(2, "ping", filler="x" * (10 << 20)),
        request(3, "ping"),
    )
    done = run("mcp", "--server", balancer.address, stdin=text)
    assert done.returncode == 0, done.stderr
    got = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [one["error"] for one in got if "id" not in one]
    assert sorted((error["code"], error["message"].split(":")[0]) for error in errors) == [
        (-32700, "a line is not JSON"),
        (-32600, "a line is not a message, which is an object"),
        (-32600, "a line is not a message, which is an object"),
        (-32600, "a message has too many bytes"),
    ]
    numbered = {one["id"]: one for one in got if "id" in one}
    assert "no such tool" in numbered[1]["error"]["message"]
    assert numbered[3]["result"] == {}


def test_without_an_answer_of_the_server_the_error_says_so(tmp_path):
    nobody = f"unix:{tmp_path}/nobody"
    got = answers(run("mcp", "--server", nobody, stdin=lines(request(1, "ping"))))
    assert "no answer from unix:" in got[1]["error"]["message"]


def test_an_answer_that_is_no_message_becomes_an_error():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\n<p>\n</p>\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        got = answers(run("mcp", "--server", url, stdin=lines(request(1, "ping"))))
        thread.join(PATIENCE)
    assert "status 502" in got[1]["error"]["message"]


def test_a_wrong_command_line_is_refused():
    for arguments in ("more",), ("--server", "a", "--profile", "b"), ("--files",):
        assert run("mcp", *arguments).returncode == 64


def test_many_requests_are_all_answered(balancer):
    session = lines(*(request(i, "ping") for i in range(500)))
    got = answers(run("mcp", "--server", balancer.address, stdin=session))
    assert set(got) == set(range(500))


def test_a_signal_ends_it(balancer, agent):
    agent.send(request(1, "ping"))
    agent.receive()
    agent.process.terminate()
    assert agent.process.wait(PATIENCE) == 128 + 15
    agent.process.stdout.close()
    eventually(lambda: balancer.health()["running"] == 0, "nothing runs")
