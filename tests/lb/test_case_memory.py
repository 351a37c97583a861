# SPDX-License-Identifier: Apache-2.0
"""The output of cases in the memory of the balancer: it is bounded by --results-mib like that of other jobs."""
import json
import select

import pytest

from fixtures.events import LINES, SSE, EventStream
from fixtures.http_client import job_body
from fixtures.stages import case, stage
from fixtures.waiting import Background, eventually

MIB = 1 << 20
JSON, FORM_DATA, CPIO = "application/json", "multipart/form-data", "application/x-cpio"

# In JSON, each byte of such output becomes six.
LOUD = b"\x01" * (8 * MIB)
JOB = {
    "image": "gcc:14",
    "stages": [{"name": "run", "cmd": ["./a.out"], "stdout_max": len(LOUD), "stderr_max": 1}],
    "cases": [{"expect": LOUD[:10].decode()}, {"expect": "end"}],
}


def run_once(balancer, slot, job, report):
    """Run a job whose result is kept, so that later requests get the same report at once."""
    pending = Background(balancer.post, job=job, accept=JSON)
    slot.answer(slot.take_job()[0], report)
    response = pending.done()
    assert response.status == 200, response.body
    return response.json()


def has_begun(sock):
    """Whether some of the response has arrived."""
    return bool(select.select([sock], [], [], 0)[0])


def read_some(sock):
    """The first bytes of a response, or nothing if the balancer has closed the connection."""
    try:
        return sock.recv(1)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("accept", [JSON, FORM_DATA, CPIO, SSE, LINES])
def test_clients_that_do_not_read_the_output_of_cases_do_not_exhaust_the_balancer(start_balancer, accept):
    balancer = start_balancer("--results-mib=256", "--cache-mib=256")
    _, slot = balancer.worker()
    run_once(balancer, slot, JOB, case(0, LOUD) + case(1, b"end"))
    before = balancer.peak_memory()
    body = job_body(JOB)
    clients = [balancer.send_job(accept, body) for _ in range(12)]
    for client in clients:
        read_some(client)
    # The bound, and what is made before it can be counted: two texts of this output.
    assert balancer.peak_memory() - before < (256 + 2 * 6 * 8 * 2) * MIB
    small = run_once(balancer, slot, {**JOB, "cases": [{"expect": "end"}]}, case(0, b"end"))
    assert small["cases"][0]["verdict"] == "right"
    for client in clients:
        client.close()


def test_output_of_cases_without_room_is_left_out_and_marked_and_verdicts_stay(start_balancer):
    balancer = start_balancer("--results-mib=8", "--cache-mib=256")
    _, slot = balancer.worker()
    job = {**JOB, "stages": [{"name": "compile", "cmd": ["cc"]}, *JOB["stages"]]}
    job["cases"] = [{"expect": {"file": "answer"}}, {"expect": "end"}, {"expect": "other"}]
    report = stage("compile") + case(0, LOUD) + case(1, b"end") + case(2, b"wrong")
    pending = Background(balancer.post, job=job, files=[("answer", LOUD)], accept=JSON)
    slot.answer(slot.take_job()[0], report)
    result = pending.done().json()
    assert [one["verdict"] for one in result["cases"]] == ["right", "right", "wrong"]
    assert (result["cases"][0]["stdout"], result["cases"][0]["stdout_cut"]) == ("", len(LOUD))


def test_an_event_without_room_has_no_output_and_says_so(start_balancer):
    balancer = start_balancer("--results-mib=8", "--cache-mib=256")
    _, slot = balancer.worker()
    run_once(balancer, slot, JOB, case(0, LOUD) + case(1, b"end"))
    stream = EventStream(balancer, job=JOB)
    cases = [event for event in stream.rest() if event["type"] == "case"]
    assert [event["verdict"] for event in cases] == ["wrong", "right"]
    assert (cases[0]["stdout"], cases[0]["stdout_cut"]) == ("", len(LOUD))
    assert cases[1]["stdout"] == "end"


@pytest.mark.parametrize("accept", [JSON, FORM_DATA, LINES])
def test_large_output_of_cases_arrives_as_a_whole_if_there_is_room(start_balancer, accept):
    balancer = start_balancer()
    _, slot = balancer.worker()
    report = case(0, LOUD) + case(1, b"end")
    assert run_once(balancer, slot, JOB, report)["cases"][0]["stdout"].encode() == LOUD
    if accept == LINES:
        cases = [event for event in EventStream(balancer, job=JOB).rest() if event["type"] == "case"]
    else:
        response = balancer.post(job=JOB, accept=accept)
        text = response.body if accept == JSON else response.form()[0][2]
        cases = json.loads(text)["cases"]
    assert [one["stdout"].encode() for one in cases] == [LOUD, b"end"]


def begin_reading(start_balancer, count):
    """A balancer, and as many clients that have asked for the same stored result, with a long report."""
    balancer = start_balancer("--results-mib=512")
    _, slot = balancer.worker()
    job = {**JOB, "cases": [{}]}
    run_once(balancer, slot, job, case(0, LOUD))
    return balancer, [balancer.send_job(JSON, job_body(job)) for _ in range(count)]


def test_other_clients_are_answered_between_the_pieces_of_long_reports(start_balancer):
    balancer, clients = begin_reading(start_balancer, 4)
    answers = 0
    while not all(map(has_begun, clients)):
        assert balancer.health()["status"] == "ok"
        answers += 1
    # Each report is 8 MiB, of which JSON makes 48. A piece is 1 MiB, and there are pauses between pieces.
    assert answers > 4 * len(clients)
    for client in clients:
        client.close()


def test_a_client_that_leaves_while_its_long_report_is_read_does_not_hold_up_those_behind_it(start_balancer):
    balancer, clients = begin_reading(start_balancer, 6)
    balancer.health()
    for client in clients[:2] + clients[3:5]:
        client.close()
    for client in clients[2], clients[5]:
        assert client.recv(12) == b"HTTP/1.1 200"
        client.close()
    eventually(lambda: balancer.metric("pe_requests_open") == 0, "no request is left")
