# SPDX-License-Identifier: Apache-2.0
"""POST /mcp with a progress token: output as notifications while the program runs."""
import json

import pytest

from fixtures.http_client import Connection
from fixtures.mcp import META, MODERN, message

BOTH = "application/json, text/event-stream"


class Call:
    """A call of the tool `run` that is answered with Server-Sent Events."""

    def __init__(self, balancer, token="t", headers=None, accept=BOTH, meta=None, image="gcc:14"):
        self.connection = Connection(balancer.address)
        meta = {**(meta or {}), **({} if token is None else {"progressToken": token})}
        arguments = {"image": image, "cmd": ["true"]}
        body = message("tools/call", {"name": "run", "arguments": arguments, "_meta": meta})
        headers = {"Content-Type": "application/json", "Accept": accept, **(headers or {})}
        self.connection.request("POST", "/mcp", json.dumps(body), headers)
        self.response = None

    def begin(self):
        self.response = self.response or self.connection.getresponse()
        return self.response

    def next(self):
        """The next message: each is one unnamed event."""
        lines = []
        while (line := self.begin().readline()) not in (b"\n", b""):
            lines.append(line)
        if lines == [b":\n"]:
            return self.next()
        (data,) = lines
        assert data.startswith(b"data: ")
        return json.loads(data[len("data: ") :])

    def notification(self, token="t"):
        """What the next notification says of the progress."""
        got = self.next()
        assert (got["jsonrpc"], got["method"]) == ("2.0", "notifications/progress"), got
        assert "id" not in got and got["params"].pop("progressToken") == token
        return got["params"]

    def result(self):
        got = self.next()
        assert got["id"] == 1
        assert self.response.read() == b"", "the response is the last message"
        return got["result"]


def take_watched(slot):
    job, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    return job


@pytest.mark.parametrize("token", ["t", "", 7, -1])
def test_output_arrives_as_progress_and_the_result_comes_last(balancer, token):
    _, slot = balancer.worker(live=1)
    call = Call(balancer, token)
    job = take_watched(slot)
    assert call.begin().headers["Content-Type"] == "text/event-stream"
    assert call.notification(token) == {"progress": 1, "message": "The job waits for a free VM."}
    assert call.notification(token) == {"progress": 2, "message": "The program runs."}
    slot.output(job, ("stdout", b"one\n"))
    assert call.notification(token) == {"progress": 6, "message": "one\n"}
    slot.output(job, ("stderr", b"\xff\0"))
    assert call.notification(token) == {"progress": 8, "message": "\ufffd\0"}
    slot.answer(job, b"one\ntwo\n", b"\xff\0", exit_code=3)
    assert call.notification(token) == {"progress": 12, "message": "two\n"}
    result = call.result()
    assert result["structuredContent"]["exit_code"] == 3
    assert result["structuredContent"]["stdout"] == "one\ntwo\n"


def test_a_modern_request_gets_progress_as_well(balancer):
    _, slot = balancer.worker(live=1)
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "run"}
    call = Call(balancer, headers=headers, meta=META)
    job = take_watched(slot)
    slot.answer(job, b"out")
    messages = [call.notification()["message"] for _ in range(3)]
    assert messages[-1] == "out"
    assert call.result()["structuredContent"]["stdout"] == "out"


@pytest.mark.parametrize(
    "token, accept",
    [
        (None, BOTH),
        ("t", "application/json"),
        ("t", "application/json, text/event-stream;q=0"),
        (["t"], BOTH),
        (1.5, BOTH),
    ],
)
def test_without_a_token_or_without_events_there_is_one_json_object(balancer, token, accept):
    _, slot = balancer.worker(live=1)
    call = Call(balancer, token, accept=accept)
    job, _ = slot.take_job()
    slot.answer(job, b"out")
    assert call.begin().headers["Content-Type"] == "application/json"
    body = json.loads(call.response.read())
    assert (body["id"], body["result"]["structuredContent"]["stdout"]) == (1, "out")


def test_after_a_lost_slot_the_output_begins_again_and_progress_still_grows(balancer):
    _, first = balancer.worker(live=1)
    call = Call(balancer)
    job = take_watched(first)
    first.output(job, ("stdout", b"half"))
    assert [call.notification()["progress"] for _ in range(3)] == [1, 2, 6]
    first.close()
    _, second = balancer.worker(live=1)
    job = take_watched(second)
    restarted = call.notification()
    assert restarted["progress"] == 7
    assert restarted["message"].startswith("The VM was lost, and the output so far does not count: ")
    assert call.notification()["progress"] == 8
    second.answer(job, b"all")
    assert call.notification() == {"progress": 11, "message": "all"}
    assert call.result()["structuredContent"]["stdout"] == "all"


def test_a_problem_on_the_way_is_the_result_of_the_tool(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "300")
    balancer.worker(slots=0)
    call = Call(balancer)
    assert call.notification()["progress"] == 1
    result = call.result()
    assert result["isError"] is True
    assert result["content"][0]["text"].startswith("There is no capacity now")


def test_a_refusal_before_the_job_is_admitted_is_one_json_object(balancer):
    balancer.worker()
    call = Call(balancer, image="no:such")
    assert call.begin().headers["Content-Type"] == "application/json"
    assert json.loads(call.response.read())["result"]["isError"] is True


def test_closing_the_request_cancels_the_job(balancer):
    _, slot = balancer.worker(live=1)
    call = Call(balancer)
    job = take_watched(slot)
    slot.output(job, ("stdout", b"out"))
    assert [call.notification()["progress"] for _ in range(3)] == [1, 2, 5]
    call.response.close()
    call.connection.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
