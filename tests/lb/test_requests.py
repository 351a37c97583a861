# SPDX-License-Identifier: Apache-2.0
"""Requests that are refused, and the classes of errors of the client API."""
import json

from fixtures.http_client import BOUNDARY, JOB, Connection, assert_refused, job_body, part
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import WebSocket, connect, image
from fixtures.waiting import Background, eventually


MIB = 1 << 20


def test_without_a_worker_a_job_is_refused_with_503_and_retry_after(balancer):
    response = balancer.post()
    assert_refused(response, 503, "no-worker", "pe-worker --server")
    assert response.headers["Retry-After"] == "5"
    assert len(response.headers["X-Request-Id"]) == 32


def test_an_unknown_image_is_404_at_once_with_suggestions(balancer):
    balancer.worker(images=("gcc:14", "python:3.12", "busybox:1.35"))
    assert_refused(
        balancer.post(job={"image": "gcc"}),
        404,
        "unknown-image",
        "'gcc:latest'; did you mean gcc:14?",
    )
    assert_refused(
        balancer.post(job={"image": "pyhton:3.12"}),
        404,
        "unknown-image",
        "did you mean python:3.12?",
    )
    assert_refused(
        balancer.post(job={"image": "nothing-like-it:1"}), 404, "unknown-image", "/v1/images"
    )
    assert_refused(balancer.post(job={"image": "gcc@sha256:" + "b" * 64}), 404, "unknown-image")


def test_a_malformed_multipart_body_is_400(start_balancer):
    end = f"--{BOUNDARY}--\r\n".encode()
    job = part("job", json.dumps(JOB).encode(), None, "application/json")
    balancer = start_balancer()
    balancer.worker()
    for body, word in [
        (b"", "boundary"),
        (b"garbage", "boundary"),
        (job, "boundary"),
        (job + end[:-6], "boundary"),
        (part("file", b"x", "a") + end, "first part"),
        (end, "first part"),
        (part("job", b"{", None) + end, "JSON"),
        (part("job", b"{}", None, "text/html") + end, "application/json"),
        (b"--" + BOUNDARY.encode() + b"\r\nX\r\n\r\n", "header"),
        (job_body().replace(BOUNDARY.encode(), b"other"), "boundary"),
    ]:
        assert_refused(balancer.post(body), 400, "malformed-request", word)
    assert_refused(
        balancer.post(content_type="multipart/form-data"), 400, "malformed-request", "boundary"
    )
    assert_refused(
        balancer.request("POST", "/v1/run"), 415, "unsupported-media-type", "application/json"
    )


def test_an_invalid_job_is_422_and_names_the_field(balancer):
    balancer.worker()
    for change, word in [
        ({"cmd": []}, "cmd"),
        ({"cmd": "true"}, "cmd"),
        ({"cmd": [1]}, "cmd"),
        ({"image": 7}, "image"),
        ({"image": "UPPER:1"}, "image"),
        ({"timeout_ms": 0}, "timeout_ms"),
        ({"timeout_ms": "1"}, "timeout_ms"),
        ({"timeout_ms": 60001}, "timeout_ms"),
        ({"env": ["A=1"]}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"outputs": "*"}, "outputs"),
        ({"outputs": [""]}, "is empty"),
        (
            {"outputs": ["x", "/output/y"]},
            "'/output/y' begins with '/'; globs are relative to /output",
        ),
        ({"outputs": ["./y"]}, "component '.'"),
        ({"outputs": ["a/../y"]}, "component '.'"),
        ({"outputs": ["a//y"]}, "empty component"),
        ({"outputs": ["a/"]}, "'folder/**'"),
        ({"cache": 1}, "cache"),
        ({"combined": "yes"}, "combined"),
        ({"timeout_ms": 60001}, "from 1 to 60000"),
        ({"stdout_max": 0}, "from 1 to 16777216"),
        ({"stderr_max": 16777217}, "from 1 to 16777216"),
        ({"on_output_limit": True}, "on_output_limit"),
        ({"stdin": "missing"}, "stdin"),
        ({"sdtin": "x"}, "sdtin"),
        ({"cmd": ["a\0b"]}, "cmd"),
    ]:
        assert_refused(balancer.post(job={**JOB, **change}), 422, "invalid-job", word)
    assert_refused(balancer.post(job=[]), 422, "invalid-job", "object")
    assert_refused(balancer.post(job={"cmd": ["true"]}), 422, "invalid-job", "image")


def test_a_file_name_that_is_not_a_safe_relative_path_is_422(balancer):
    balancer.worker()
    for name, word in [
        ("../x", "'..'"),
        ("a/../b", "'..'"),
        ("/etc/passwd", "absolute"),
        ("a\0b", "NUL"),
        ("", "empty"),
        ("a//b", "empty"),
        ("./a", "'.'"),
        ("a/", "empty"),
        ("a\x01b", "control"),
        ("x" * 256, "255"),
        ("/".join("a" * 40), "32"),
        ("\udcff\udcfe", "UTF-8"),
        ("\udced\udca0\udc80", "UTF-8"),
    ]:
        assert_refused(balancer.post(files=[(name, b"x")]), 422, "invalid-job", word)


def test_files_that_exclude_one_another_are_422(balancer):
    balancer.worker()
    assert_refused(
        balancer.post(files=[("a", b"1"), ("b", b""), ("a", b"2")]),
        422,
        "invalid-job",
        "'a' was sent twice",
    )
    assert_refused(
        balancer.post(files=[("d/e/f", b"1"), ("d-x", b""), ("d.x", b""), ("d/e", b"2")]),
        422,
        "invalid-job",
        "both a file and a folder",
    )
    end = f"--{BOUNDARY}--\r\n".encode()
    job = part("job", json.dumps(JOB).encode())
    assert_refused(
        balancer.post(job + part("other", b"x", "a") + end), 422, "invalid-job", "'other'"
    )
    assert_refused(balancer.post(job + job + end), 422, "invalid-job", "only once")
    assert_refused(balancer.post(job + part("file", b"x") + end), 422, "invalid-job", "filename")


def test_a_job_over_a_limit_is_413_and_names_the_limit(balancer):
    balancer.worker()
    assert_refused(
        balancer.post(files=[(f"f{i}", b"") for i in range(10000)]),
        413,
        "too-large",
        "4096 input files",
    )
    assert_refused(
        balancer.post(files=[("a", bytes(20 * MIB)), ("b", bytes(13 * MIB))]),
        413,
        "too-large",
        str(32 * MIB),
        str(33 * MIB),
    )
    assert_refused(
        balancer.post(
            job={
                **JOB,
                "env": {
                    "A": "x" * 65000,
                    "B": "x" * 65000,
                    "C": "x" * 65000,
                    "D": "x" * 65000,
                    "E": "x" * 65000,
                },
            }
        ),
        413,
        "too-large",
        "job",
    )
    assert_refused(
        balancer.post(
            files=[("d/" * 4 + "n" * 250 + f"{i:04}/{'m' * 100}", b"") for i in range(4000)]
        ),
        413,
        "too-large",
        "names",
    )


def test_a_body_over_the_limit_is_413_with_content_length_and_chunked(start_balancer):
    balancer = start_balancer(unix=False)
    for address in balancer.tcp, balancer.unix:
        balancer.address = address
        assert_refused(balancer.post(bytes(40 * MIB)), 413, "too-large", str(36 * MIB))
        chunks = (bytes(MIB) for _ in range(40))
        assert_refused(balancer.post(chunks), 413, "too-large", str(36 * MIB))


def test_expect_100_continue_is_answered_or_refused_before_the_body_is_sent(balancer):
    registration, slot = balancer.worker()
    for size, wanted in (len(job_body()), b"HTTP/1.1 100 Continue\r\n\r\n"), (
        40 * MIB,
        b"HTTP/1.1 413 ",
    ):
        with connect(balancer.address) as sock:
            sock.sendall(
                f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n"
                f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode()
            )
            assert sock.recv(100)[: len(wanted)] == wanted
            if size < MIB:
                sock.sendall(job_body())
                job, _ = slot.take_job()
                slot.answer(job)
                assert sock.recv(12) == b"HTTP/1.1 200"


def test_paths_methods_and_forms_that_do_not_exist_are_404_405_and_406(balancer):
    balancer.worker()
    assert_refused(balancer.request("GET", "/nothing"), 404, "not-found")
    assert_refused(balancer.request("GET", "/v1/run/x"), 404, "not-found")
    response = balancer.request("GET", "/v1/run")
    assert_refused(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"
    response = balancer.request("DELETE", "/healthz")
    assert_refused(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "GET, HEAD"
    assert_refused(balancer.post(accept="text/html"), 406, "not-acceptable", "application/x-cpio")
    assert_refused(balancer.post(accept="application/json;q=0"), 406, "not-acceptable")


def test_http_2_is_not_spoken_neither_by_upgrade_nor_by_prior_knowledge(balancer):
    response = balancer.request(
        "GET",
        "/healthz",
        headers={
            "Connection": "Upgrade, HTTP2-Settings",
            "Upgrade": "h2c",
            "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA",
        },
    )
    assert response.status == 200
    with connect(balancer.address) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        data = sock.recv(1000)
        if data and not data.startswith(b"HTTP/1.1 400"):
            raise AssertionError(data)


def test_the_images_that_could_run_a_file_are_found_by_its_name(balancer):
    kinds = [{"type": "text/x-c", "patterns": ["*.c", "b\u00e4r *.h"]}]
    host = balancer.register("h1", [dict(image("gcc:14"), inputs=kinds), "perl:5"])
    balancer.wait_for(hosts=1)
    for query, names in (
        ("?file=main.c", ["gcc:14"]),
        ("?x=y&file=a/b%2Ec", ["gcc:14"]),
        ("?file=main.py", []),
        ("?file=b%C3%A4r+x.h", ["gcc:14"]),
        ("?file=%2", []),
        ("?file=", ["gcc:14", "perl:5"]),
        ("?other=1", ["gcc:14", "perl:5"]),
        ("?file=" + "x" * 3000, []),
    ):
        answer = balancer.request("GET", "/v1/images" + query).json()
        assert [i["name"] for i in answer["images"]] == names
    host.close()


def test_the_images_of_all_workers_are_listed_once_and_sorted_with_the_limits_of_a_job(balancer):
    assert balancer.request("GET", "/v1/images").json()["images"] == []
    one = balancer.register("h1", ["gcc:14", "busybox:1.35"])
    two = balancer.register("h2", ["gcc:14", image("gcc:13", "b")])
    balancer.wait_for(hosts=2)
    answer = balancer.request("GET", "/v1/images").json()
    assert [(i["name"], i["hosts"]) for i in answer["images"]] == [
        ("busybox:1.35", 1),
        ("gcc:13", 1),
        ("gcc:14", 2),
    ]
    assert answer["defaults"]["timeout_ms"] == 10000
    assert answer["defaults"]["input_files"] == 4096
    assert len(answer["defaults"]) == 12
    one.hello("h1", [image("perl:5")])
    two.close()
    balancer.wait_for(hosts=1)

    def names():
        return [one["name"] for one in balancer.request("GET", "/v1/images").json()["images"]]

    eventually(lambda: names() == ["perl:5"], "the catalog is that of the last hello")


def test_the_service_describes_itself_its_health_and_its_problems(balancer):
    about = balancer.request("GET", "/")
    assert about.status == 200
    assert b"/v1/run" in about.body
    assert balancer.health() == {
        "status": "ok",
        "hosts": 0,
        "slots": 0,
        "ready": 0,
        "queued": 0,
        "running": 0,
    }
    for kind in "no-worker", "unknown-image", "job-lost", "too-large", "canceled", "not-acceptable":
        response = balancer.request("GET", "/problems/" + kind)
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert_refused(balancer.request("GET", "/problems/none"), 404, "not-found")
    assert_refused(balancer.request("GET", "/problems/" + "x" * 500), 404, "not-found")
    assert balancer.request("HEAD", "/healthz").body == b""


def test_many_requests_share_one_kept_alive_connection_errors_included(balancer):
    registration, slot = balancer.worker()
    connection = Connection(balancer.address)
    for i in range(5):
        assert_refused(
            balancer.post(job={"image": "none:1"}, connection=connection), 404, "unknown-image"
        )
        pending = Background(balancer.post, connection=connection)
        job, _ = slot.take_job()
        slot.answer(job, f"{i}".encode())
        assert pending.done().form()[1][2] == f"{i}".encode()
    connection.close()


def test_only_a_worker_with_the_token_may_connect(start_balancer, tmp_path):
    balancer = start_balancer("--token-file", secret_file(tmp_path / "tokens", "secret-token\n"))
    for token in None, "", "secret-toke", "secret-token2", "Secret-token", "x" * 5000:
        for path in "/v1/slot", "/v1/control":
            link = WebSocket(balancer.address, path, token=token)
            assert link.status == 401
            assert (
                "problem+json" in link.head and "www-authenticate: Bearer" in link.head
            ), link.head
    registration, slot = balancer.worker(token="secret-token")
    pending = Background(balancer.post)
    slot.answer(slot.take_job()[0])
    assert pending.done().status == 200


def test_a_worker_connection_without_a_proper_websocket_handshake_is_400(balancer):
    assert_refused(balancer.request("GET", "/v1/slot"), 400, "malformed-request", "WebSocket")
    assert WebSocket(balancer.address, "/v1/slot", protocol=None).status == 400
    assert WebSocket(balancer.address, "/v1/slot", protocol="pe.slot.v2").status == 400
    assert WebSocket(balancer.address, "/v1/slot", protocol="pe.slot.v2, pe.slot.v1").status == 101
