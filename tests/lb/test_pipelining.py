# SPDX-License-Identifier: Apache-2.0
"""Connections on which the next request arrives while the previous one is handled."""

from fixtures.http_client import job_body, job_request
from fixtures.stand_in_worker import Closed, connect
from fixtures.waiting import eventually

MIB = 1 << 20


def read_answers(sock, count):
    """So many whole multipart answers, as one piece each or in chunks."""
    got = b""
    while got.count(b"--\r\n") < count or not got.endswith((b"--\r\n", b"0\r\n\r\n")):
        piece = sock.recv(65536)
        assert piece != b"", f"hung up after {got[-200:]}"
        got += piece
    return got


def named(name, size=1):
    return job_request(body=job_body(files=[(name, b"x" * size)]))


def test_pipelined_jobs_are_answered_in_order(balancer):
    registration, slot = balancer.worker()
    sock = connect(balancer.address)
    sock.sendall(named("one", 3 * MIB) + named("two", 100000) + named("three"))
    for name, size in ("one", 3 * MIB), ("two", 100000), ("three", 1):
        job, files = slot.take_job()
        assert files == [(name, b"x" * size)]
        slot.answer(job, f"out of {name}".encode())
    got = read_answers(sock, 3)
    assert [got.find(b"out of " + name) > 0 for name in (b"one", b"two", b"three")] == [True] * 3
    assert got.find(b"out of one") < got.find(b"out of two") < got.find(b"out of three")
    assert balancer.request("GET", "/healthz").json()["running"] == 0


def test_a_request_that_arrives_in_pieces_while_a_job_runs_is_read_after_it(balancer):
    registration, slot = balancer.worker()
    sock = connect(balancer.address)
    second = named("two", 70000)
    sock.sendall(named("one"))
    job, _ = slot.take_job()
    for at in 0, 10, 300:
        sock.sendall(second[at : {0: 10, 10: 300, 300: 40000}[at]])
        balancer.request("GET", "/healthz")  # the loop has turned
    slot.answer(job, b"out of one")
    read_answers(sock, 1)
    sock.sendall(second[40000:])
    job, files = slot.take_job()
    assert [len(data) for _, data in files] == [70000]
    slot.answer(job, b"out of two")
    assert b"out of two" in read_answers(sock, 1)


def test_a_client_that_pipelined_a_request_and_leaves_has_its_running_job_canceled(balancer):
    registration, slot = balancer.worker()
    sock = connect(balancer.address)
    sock.sendall(named("one"))
    job, _ = slot.take_job()
    sock.sendall(named("two", 100))
    balancer.request("GET", "/healthz")
    sock.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    slot.send_message(
        type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499}
    )
    slot.ready()
    balancer.wait_for(running=0)
    try:
        assert slot.receive(0.5) is None, "the second job is not begun"
    except (TimeoutError, OSError, Closed):
        pass


def test_very_many_requests_that_are_sent_together_are_answered_in_order(balancer):
    names = ["too-large", "not-found", "no-capacity"] * 200
    sock = connect(balancer.address)
    last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sock.sendall(
        "".join(f"GET /problems/{name} HTTP/1.1\r\nHost: x\r\n\r\n" for name in names).encode()
        + last.encode()
    )
    got = b""
    while piece := sock.recv(1 << 20):
        got += piece
    wanted = [balancer.request("GET", f"/problems/{name}").body for name in names[:3]]
    answers = [answer.split(b"\r\n\r\n", 1)[1] for answer in got.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert answers[:-1] == wanted * 200


def test_a_client_that_leaves_while_its_requests_wait_for_their_turn_leaves_nothing(balancer):
    for _ in range(20):
        with connect(balancer.address) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
            sock.recv(100)
    eventually(lambda: balancer.metric("pe_connections") == 1, "all connections have ended")
