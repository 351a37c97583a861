# SPDX-License-Identifier: Apache-2.0
"""Connections: how long they may be silent, how slowly a client may read, and how many there may be."""
import contextlib
import json
import socket
import ssl
import time

import pytest

from fixtures.http2_client import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    RST_STREAM,
    Http2,
    fields,
    frame,
)
from fixtures.http_client import job_request
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import Registration, Slot, connect
from fixtures.waiting import PATIENCE, eventually

MIB = 1 << 20
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def read_until_closed(sock):
    """What the balancer sends until it closes the connection."""
    got = b""
    while data := sock.recv(65536):
        got += data
    return got


def is_open(sock):
    """Whether the balancer has not closed this connection, on which nothing is expected."""
    sock.settimeout(0.05)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False


def ask(sock):
    """Send a GET on a connection that is kept, and read its response."""
    sock.settimeout(PATIENCE)
    sock.sendall(GET)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(65536)
        assert piece, "the balancer closed the connection"
        head += piece
    assert head.startswith(b"HTTP/1.1 200 "), head


# ---- time ----


def test_a_connection_on_which_only_gets_arrive_is_kept_while_they_arrive(start_balancer):
    balancer = start_balancer("--idle-timeout-ms", "2500")
    active, idle = connect(balancer.address), connect(balancer.address)
    while is_open(idle):
        ask(active)
    ask(active)
    assert balancer.metric("pe_connections_slow_total") == 1


def start_download(balancer, slot, size, address, receive_buffer=None):
    """A connection on which the balancer sends a result of so many bytes, after its head was read."""
    sock = socket.socket(socket.AF_INET if ":" in address[5:] else socket.AF_UNIX)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    host, port = address.rsplit(":", 1)
    sock.connect((host, int(port)))
    sock.settimeout(PATIENCE)
    sock.sendall(job_request("application/x-cpio"))
    slot.answer(slot.take_job()[0], files=[("f", b"x" * size)])
    return sock


def test_a_client_that_reads_slowly_may_finish_and_one_that_reads_nothing_is_cut_off(start_balancer):
    balancer = start_balancer("--stall-timeout-ms", "3000")
    registration, slot = balancer.worker()
    silent = start_download(balancer, slot, 9 * MIB, balancer.tcp, 65536)
    slow = start_download(balancer, slot, 9 * MIB, balancer.tcp, 65536)
    got = 0
    while balancer.metric("pe_connections_slow_total") == 0:
        got += len(slow.recv(16384))
        time.sleep(0.05)
    assert balancer.metric("pe_requests_open") == 1
    while data := slow.recv(1 << 20):
        got += len(data)
        if data.endswith(b"0\r\n\r\n"):
            break
    assert got > 9 * MIB
    assert len(read_until_closed(silent)) < 9 * MIB


# ---- numbers ----


def from_address(balancer, host):
    """A connection over TCP from this address of the loopback network."""
    name, port = balancer.tcp.split(":")
    return socket.create_connection((name, int(port)), PATIENCE, (host, 0))


def refused(sock, status, kind):
    """The balancer refuses this connection: the problem that it sends."""
    reply = read_until_closed(sock)
    head, body = reply.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    problem = json.loads(body)
    assert problem["type"] == "/problems/" + kind
    return problem


def refusals(balancer, bound):
    return balancer.metric('pe_connections_refused_total{bound="%s"}' % bound)


def wait_with_job(sock):
    """Make a connection busy: its job waits."""
    sock.sendall(job_request())
    return sock


def test_a_client_may_have_only_so_many_connections_and_others_are_not_affected(start_balancer):
    balancer = start_balancer("--client-connections", "3")
    balancer.register()
    balancer.wait_for(hosts=1)
    busy = [wait_with_job(from_address(balancer, "127.0.0.2")) for _ in range(3)]
    balancer.wait_for(queued=3)
    for _ in range(5):
        problem = refused(from_address(balancer, "127.0.0.2"), 429, "too-many-requests")
        assert "3 connections" in problem["detail"]
    assert refusals(balancer, "address") == 5
    assert balancer.log().count("127.0.0.2 has 3 already (--client-connections)") == 1
    ask(from_address(balancer, "127.0.0.3"))
    busy.pop().close()
    balancer.wait_for(queued=2)
    ask(from_address(balancer, "127.0.0.2"))


def test_a_client_with_too_many_connections_loses_its_own_idle_ones_first(start_balancer):
    balancer = start_balancer("--client-connections", "3")
    other = from_address(balancer, "127.0.0.3")
    ask(other)
    socks = [from_address(balancer, "127.0.0.2") for _ in range(3)]
    for sock in socks:
        ask(sock)
    time.sleep(1.1)  # a connection that was used a moment ago is not closed
    ask(socks[0])  # now it is idle for the shortest time
    extra = from_address(balancer, "127.0.0.2")
    ask(extra)
    assert socks[1].recv(1) == b""
    for sock in socks[0], socks[2], other:
        ask(sock)
    assert balancer.metric("pe_connections_evicted_total") == 1


def test_connections_of_trusted_proxies_and_of_workers_with_a_token_are_not_counted(
    start_balancer, tmp_path
):
    tokens = secret_file(tmp_path / "tokens", "secret\n")
    token = {"token": "secret"}
    balancer = start_balancer(
        *("--client-connections", "2", "--trusted-proxy", "127.0.0.9"),
        *("--token-file", tokens),
    )
    workers = [Registration(balancer.tcp, "h1", **token)]
    workers += [Slot(balancer.tcp, "h1", **token) for _ in range(5)]
    balancer.wait_for(hosts=1, slots=5)
    proxied = [from_address(balancer, "127.0.0.9") for _ in range(5)]
    for sock in proxied:
        ask(sock)
    own = [from_address(balancer, "127.0.0.1") for _ in range(2)]
    for sock in own:
        ask(sock)
    refused(from_address(balancer, "127.0.0.1"), 429, "too-many-requests")


def test_at_the_limit_of_all_connections_idle_ones_are_closed_first_and_then_new_ones_refused(
    start_balancer,
):
    balancer = start_balancer(files=256)  # they are enough for 64 connections
    balancer.register()
    balancer.wait_for(hosts=1)
    socks = [connect(balancer.address) for _ in range(63)]  # the 64th is the worker's
    for sock in socks:
        ask(sock)
    time.sleep(1.1)  # a connection that was used a moment ago is not closed
    socks.append(connect(balancer.address))
    assert socks.pop(0).recv(1) == b""

    def is_refused():
        """Fill the place of an idle connection with a busy one, until there is none left."""
        sock = connect(balancer.address)
        sock.settimeout(0.2)
        try:
            return sock.recv(100).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        except TimeoutError:
            socks.append(wait_with_job(sock))
            return False

    for sock in socks[:]:
        wait_with_job(sock)
    eventually(is_refused, "a connection is refused")
    refused(connect(balancer.address), 503, "no-capacity")
    for sock in socks:
        sock.close()
    eventually(lambda: not is_refused(), "there is room again")
    assert refusals(balancer, "total") >= 2
    assert "none of them is idle" in balancer.log()


# ---- bodies ----


def is_closed(sock, data):
    """Send a little of a body. Whether the balancer has closed the connection."""
    try:
        sock.sendall(data)
        time.sleep(0.01)
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        return True
    return False


def test_a_body_that_arrives_very_slowly_is_cut_off_and_one_that_takes_long_is_not(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    head = "POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    slow, steady = connect(balancer.address), connect(balancer.tcp)
    streams, patient = Http2(balancer.tls), Http2(balancer.tls)
    handshake = connect(balancer.tls)
    handshake.sendall(b"\x16\x03\x01")  # the beginning of a message that never ends
    for sock in slow, steady:
        sock.sendall(head.encode())
    many = [streams.begin("POST", "/v1/run", end=False) for _ in range(17)]
    body = patient.begin("POST", "/v1/run", end=False)
    sent = 0
    while not is_closed(slow, b"x" * 10) or not is_closed(
        streams.sock, b"".join(frame(DATA, 0, stream, b"x") for stream in many)
    ):
        time.sleep(0.5)
        steady.sendall(b"x" * 20000)
        sent += 20000
        patient.send_data(body, b"x")
    assert handshake.recv(1) == b""
    steady.sendall(b"x" * (10000000 - sent))
    assert steady.recv(100).startswith(b"HTTP/1.1 415 ")
    patient.send_data(body, b"x", end=True)
    assert any(answer[0] == HEADERS for answer in iter(patient.receive, None))


# ---- HTTP/2 ----


def test_a_body_of_http_2_that_is_too_large_is_refused_and_others_go_on(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    client = Http2(balancer.tls)
    large = client.begin("POST", "/v1/run", end=False)
    client.send_data(large, bytes(37 * MIB))
    other = client.begin("GET", "/healthz")
    answers = {}
    while answers.keys() < {large, other}:
        kind, _, stream, _ = client.receive()
        if kind in (RST_STREAM, HEADERS):
            answers[stream] = kind
    assert answers == {large: RST_STREAM, other: HEADERS}
    client.close()


def post_body(client, size, end=False):
    """Begin a request on a connection of HTTP/2, and send so much of its body. Returns its stream."""
    stream = client.begin("POST", "/v1/run", end=False)
    client.send_data(stream, bytes(size), end)
    return stream


def test_bodies_that_arrive_together_on_a_connection_of_http_2_have_a_bound(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    client, greedy = Http2(balancer.tls), Http2(balancer.tls)
    bodies = {post_body(client, 36 * MIB) for _ in range(2)}  # as much as is allowed
    with pytest.raises((BrokenPipeError, ConnectionResetError, ssl.SSLError)):
        for _ in range(100):
            post_body(greedy, 4 * MIB - 1)
    balancer.wait_for_log("its bodies have more than 72 MiB together")
    for stream in bodies:
        client.send_data(stream, b"", end=True)
    while bodies:
        kind, _, stream, _ = client.receive()
        bodies -= {stream} if kind == HEADERS else set()
    client.close()


def test_bodies_of_http_2_count_while_their_responses_are_not_read(start_tls_balancer):
    balancer = start_tls_balancer("--http2", "--stall-timeout-ms", "600000")
    client = Http2(balancer.tls, {INITIAL_WINDOW_SIZE: 0})
    kinds = set()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        for _ in range(3):
            post_body(client, 36 * MIB, end=True)
        while answer := client.receive():
            kinds.add(answer[0])
    assert DATA not in kinds
    assert "its bodies have more than 72 MiB together" in balancer.log()
    client.close()


def test_a_client_of_http_2_that_gives_no_window_for_its_response_is_cut_off(start_tls_balancer):
    balancer = start_tls_balancer("--http2", "--stall-timeout-ms", "1500")
    client = Http2(balancer.tls, {INITIAL_WINDOW_SIZE: 0})
    client.begin("GET", "/openapi.json")
    kinds = set()
    while answer := client.receive():
        kinds.add(answer[0])
        if answer[0] in (HEADERS, PING):  # the connection is alive, but not this stream
            time.sleep(0.05)
            with contextlib.suppress(OSError):  # it may be cut off now
                client.sock.sendall(frame(PING, payload=b"12345678"))
    assert {HEADERS, PING} <= kinds
    assert DATA not in kinds
    assert balancer.metric("pe_connections_slow_total") == 1
    assert balancer.metric("pe_connections") == 1  # that of this question


def test_requests_of_http_2_that_are_reset_at_once_cost_little_and_leave_nothing(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    registration, slot = balancer.worker()
    client = Http2(balancer.tls)
    for _ in range(20):
        burst = b""
        for _ in range(500):
            stream, client.next_stream = client.next_stream, client.next_stream + 2
            block = fields("GET", "/metrics")
            burst += frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
            burst += frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))
        client.sock.sendall(burst)
    assert balancer.run_on(slot, b"others go on").form()[1][2] == b"others go on"
    last = client.begin("GET", "/healthz")
    while True:
        answer = client.receive()
        if answer is None or (answer[0], answer[2]) == (DATA, last):
            break
    client.close()
    balancer.wait_for(queued=0, running=0)
    eventually(lambda: balancer.metric("pe_connections") <= 3, "the connection has ended")


def test_a_head_of_http_2_in_very_many_frames_is_refused(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    client = Http2(balancer.tls)
    client.sock.sendall(frame(HEADERS, 0, 1, fields("GET", "/healthz")))
    try:
        for _ in range(4000):
            client.sock.sendall(frame(CONTINUATION, 0, 1, b"\0\1a" + b"\x7e" + b"b" * 126))
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        pass
    while client.receive():
        pass
    assert balancer.health()["status"] == "ok"
