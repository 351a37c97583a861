# SPDX-License-Identifier: Apache-2.0
"""Limits for each client, tokens, slow clients, TLS, and pages of other origins."""
import http.client
import json
import os
import signal
import subprocess

import pytest

from fixtures.certificates import make_certificate
from fixtures.http_client import FORM, JOB, Response, assert_refused, job_body, job_request
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import Slot, WebSocket, connect, connect_tls
from fixtures.waiting import PATIENCE, Background, eventually


MIB = 1 << 20


def post_from(balancer, forwarded, job=JOB):
    """A job through a proxy that says who sent it."""
    return balancer.request(
        "POST", "/v1/run", job_body(job), {"Content-Type": FORM, "X-Forwarded-For": forwarded}
    )


def test_one_client_with_many_jobs_waiting_does_not_delay_anothers_first(start_balancer):
    balancer = start_balancer("--trusted-proxy", "unix")
    balancer.register()
    balancer.wait_for(hosts=1)
    greedy = [
        Background(post_from, balancer, "192.0.2.1", {**JOB, "cmd": ["greedy"]}) for _ in range(30)
    ]
    balancer.wait_for(queued=30)
    modest = Background(post_from, balancer, "192.0.2.2", {**JOB, "cmd": ["modest"]})
    balancer.wait_for(queued=31)
    assert balancer.metric("pe_queue_position") == 2
    slot = Slot(balancer.address)
    order = []
    for _ in range(31):
        job, _ = slot.take_job()
        order.append(job["job"]["cmd"][0])
        slot.answer(job)
    assert "modest" in order[:2], order
    for call in greedy + [modest]:
        assert call.done().status == 200


def test_a_client_that_sends_too_many_jobs_a_minute_gets_429_and_others_do_not(start_balancer):
    balancer = start_balancer("--rate", "6", "--burst", "3", "--trusted-proxy", "unix")
    for _ in range(3):
        assert_refused(post_from(balancer, "192.0.2.1"), 503, "no-worker")
    response = post_from(balancer, "192.0.2.1")
    assert_refused(response, 429, "too-many-requests", "6 jobs per minute")
    assert 1 <= int(response.headers["Retry-After"]) <= 10
    assert_refused(post_from(balancer, "192.0.2.2"), 503, "no-worker")


def test_a_client_that_sent_too_many_jobs_may_send_more_after_a_pause(start_balancer):
    balancer = start_balancer("--rate", "60", "--burst", "1")
    assert_refused(balancer.post(), 503, "no-worker")
    eventually(lambda: balancer.post().status == 503, "the next job is accepted")


def test_an_ipv6_network_of_64_bits_is_one_client(start_balancer):
    balancer = start_balancer("--rate", "1", "--trusted-proxy", "unix")
    assert_refused(post_from(balancer, "2001:db8::1"), 503, "no-worker")
    assert_refused(post_from(balancer, "2001:db8::ffff:2"), 429, "too-many-requests")
    assert_refused(post_from(balancer, "2001:db8:0:1::1"), 503, "no-worker")


def test_x_forwarded_for_counts_only_as_far_as_proxies_are_trusted(start_balancer):
    balancer = start_balancer(
        "--rate", "1", "--trusted-proxy", "unix", "--trusted-proxy", "10.0.0.0/8"
    )
    assert_refused(post_from(balancer, "192.0.2.9, 10.1.1.1"), 503, "no-worker")
    assert_refused(
        post_from(balancer, "192.0.2.1, 192.0.2.9,10.2.2.2 , 10.3.3.3"), 429, "too-many-requests"
    )
    assert_refused(post_from(balancer, "192.0.2.9"), 429, "too-many-requests")
    assert_refused(post_from(balancer, "garbage"), 503, "no-worker")  # the proxy itself
    assert_refused(post_from(balancer, "nonsense, 127.0.0.1.9"), 429, "too-many-requests")
    balancer.address = balancer.tcp
    assert_refused(post_from(balancer, "192.0.2.50"), 503, "no-worker")  # 127.0.0.1 is not trusted
    assert_refused(post_from(balancer, "192.0.2.51"), 429, "too-many-requests")


def test_a_client_may_have_only_so_many_jobs_at_a_time(start_balancer):
    balancer = start_balancer("--client-jobs", "2")
    balancer.register()
    balancer.wait_for(hosts=1)
    pending = [Background(balancer.post) for _ in range(2)]
    balancer.wait_for(queued=2)
    assert_refused(balancer.post(), 429, "too-many-requests", "at a time")
    slot = Slot(balancer.address)
    for call in pending:
        slot.answer(slot.take_job()[0])
    for call in pending:
        assert call.done().status == 200
    pending = Background(balancer.post)
    slot.answer(slot.take_job()[0])
    assert pending.done().status == 200


def test_the_queue_is_bounded_in_bytes(start_balancer):
    balancer = start_balancer("--queue-mib", "1")
    balancer.register()
    balancer.wait_for(hosts=1)
    pending = Background(balancer.post, files=[("f", bytes(700000))])
    balancer.wait_for(queued=1)
    assert_refused(balancer.post(files=[("f", bytes(700000))]), 503, "no-capacity", "size")
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0])
    assert pending.done().status == 200


def test_a_client_may_set_its_longest_wait_with_prefer_wait(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    response = balancer.request(
        "POST", "/v1/run", job_body(), {"Content-Type": FORM, "Prefer": "wait=1"}
    )
    assert_refused(response, 503, "no-capacity", "1000 ms")


def test_tokens_are_read_again_on_sighup_and_a_broken_file_changes_nothing(
    start_balancer, tmp_path
):
    file = tmp_path / "tokens"
    secret_file(file, "first\n")
    tokens = file.write_text

    def status(token):
        link = WebSocket(balancer.address, "/v1/control", token=token)
        link.close()
        return link.status

    balancer = start_balancer("--token-file", str(file))
    assert [status("first"), status("second")] == [101, 401]
    tokens("first\r\n\nsecond\n")
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: status("second") == 101, "the second token")
    assert [status("first"), status("firs"), status("first\nsecond"[:5] + "x")] == [101, 401, 401]
    tokens("")
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: "what was there before stays" in balancer.log(), "the complaint")
    assert [status("first"), status("")] == [101, 401]


def test_a_client_that_sends_too_slowly_is_cut_off_but_not_one_that_waits_for_its_job(
    start_balancer,
):
    balancer = start_balancer("--header-timeout-ms", "700", "--idle-timeout-ms", "1500")
    balancer.register()
    balancer.wait_for(hosts=1)
    waits = Background(balancer.post)
    loris, idle = connect(balancer.address), connect(balancer.tcp)
    loris.sendall(b"POST /v1/run HTTP/1.1\r\nX: ")
    loris.settimeout(PATIENCE)
    assert loris.recv(100) == b""
    idle.settimeout(PATIENCE)
    assert idle.recv(100) == b""
    assert balancer.metric("pe_connections_slow_total") == 2
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0])
    assert waits.done().status == 200


def test_a_head_that_is_too_large_is_refused(balancer):
    with connect(balancer.address) as sock:
        try:
            sock.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 400"
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert balancer.health()["status"] == "ok"


def test_pages_of_allowed_origins_may_use_the_service_others_may_not(start_balancer):
    balancer = start_balancer(
        "--cors-origin", "https://pe.example", "--cors-origin", "http://localhost:1"
    )
    preflight = {
        "Origin": "https://pe.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "cache-control",
    }
    answer = balancer.request("OPTIONS", "/v1/run", headers=preflight)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://pe.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "Cache-Control" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Vary"] == "Origin"
    response = balancer.request("GET", "/v1/images", headers={"Origin": "http://localhost:1"})
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:1"
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert "X-Request-Id" in exposed and "X-Result-Key" in exposed
    response = balancer.request("POST", "/v1/run", b"", headers={"Origin": "https://pe.example"})
    assert response.status == 415
    assert response.headers["Access-Control-Allow-Origin"] == "https://pe.example"
    for origin in "https://evil.example", "https://pe.example.evil", "null":
        assert (
            balancer.request("GET", "/", headers={"Origin": origin}).headers[
                "Access-Control-Allow-Origin"
            ]
            is None
        )
    assert balancer.request("GET", "/").headers["Access-Control-Allow-Origin"] is None
    balancer.end()
    balancer = start_balancer("--cors-origin", "*")
    assert (
        balancer.request("GET", "/", headers={"Origin": "null"}).headers[
            "Access-Control-Allow-Origin"
        ]
        == "*"
    )


# ---- TLS ----


def certificate_names(where, name):
    with connect_tls(where) as sock:
        return name.encode() in sock.getpeercert(True)


def tls_post(where, files=()):
    connection = http.client.HTTPConnection("lb", timeout=PATIENCE)
    connection.sock = connect_tls(where)
    connection.request("POST", "/v1/run", job_body(files=files), {"Content-Type": FORM})
    return Response(connection.getresponse())


def test_jobs_run_over_tls_certificates_are_renewed_and_a_hang_up_cancels(
    start_tls_balancer, tmp_path
):
    balancer = start_tls_balancer()
    registration, slot = balancer.worker()
    pending = Background(tls_post, balancer.tls, [("f", b"x" * MIB)])
    job, files = slot.take_job()
    slot.answer(job, b"over TLS", b"", [("g", files[0][1])])
    assert pending.done().form()[3][2] == b"x" * MIB
    assert certificate_names(balancer.tls, "first.example")
    old = connect_tls(balancer.tls)
    make_certificate("second.example", f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: certificate_names(balancer.tls, "second.example"), "the new certificate")
    old.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert old.recv(12) == b"HTTP/1.1 200"
    sock = connect_tls(balancer.tls)
    sock.sendall(job_request())
    job, _ = slot.take_job()
    sock.close()
    assert slot.receive()["type"] == "cancel"


def test_http_2_is_offered_over_tls_only_when_enabled_and_cancels_by_stream(
    start_tls_balancer, tmp_path
):
    balancer = start_tls_balancer()
    with connect_tls(balancer.tls, ("h2", "http/1.1")) as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
    balancer.end()
    balancer = start_tls_balancer("--http2")
    registration, slot = balancer.worker()
    with connect_tls(balancer.tls, ("h2", "http/1.1")) as sock:
        assert sock.selected_alpn_protocol() == "h2"

    def curl(command):
        job = json.dumps({"image": "gcc:14", "cmd": [command]})
        return subprocess.Popen(
            [
                "curl",
                "-sk",
                "--http2",
                "-F",
                f"job={job};type=application/json",
                "-w",
                "%{http_version}",
                f"https://{balancer.tls}/v1/run",
            ],
            stdout=subprocess.PIPE,
        )

    process = curl("one")
    slot.answer(slot.take_job()[0], b"over HTTP/2")
    output = process.communicate(timeout=PATIENCE)[0]
    assert b"over HTTP/2" in output
    assert output[-1:] == b"2"
    process = curl("another")
    slot.take_job()
    process.kill()
    process.communicate()
    assert slot.receive()["type"] == "cancel"
