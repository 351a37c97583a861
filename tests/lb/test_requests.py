"""What is refused, and how it is said: the error classes of the client API."""
import json
import tempfile

from harness import (BOUNDARY, JOB, Background, Balancer, Connection, connect, equal, job_body, part, post, request,
                     test)
from slotclient import Host, WebSocket, image

MIB = 1 << 20


def refused(response, status, kind, *words):
    problem = response.problem()
    equal((response.status, problem["type"]), (status, "/problems/" + kind), problem["detail"])
    for word in words:
        if word not in problem["detail"]:
            raise AssertionError(f"'{word}' is not in '{problem['detail']}'")
    equal(response.headers["Cache-Control"], "no-store")
    return problem


@test("without a worker host a job is refused with 503 and Retry-After")
def _():
    with Balancer() as lb:
        response = post(lb)
        refused(response, 503, "no-worker", "pe-worker --server")
        equal(response.headers["Retry-After"], "5")
        equal(len(response.headers["X-Request-Id"]), 32)


@test("an unknown image is 404 at once and names similar ones")
def _():
    with Balancer() as lb:
        with_worker = lb.worker(images=("gcc:14", "python:3.12", "busybox:1.35"))
        refused(post(lb, job={"image": "gcc"}), 404, "unknown-image", "'gcc:latest'", "'gcc:14'")
        refused(post(lb, job={"image": "pyhton:3.12"}), 404, "unknown-image", "'python:3.12'")
        refused(post(lb, job={"image": "nothing-like-it:1"}), 404, "unknown-image", "/v1/images")
        refused(post(lb, job={"image": "gcc@sha256:" + "b" * 64}), 404, "unknown-image")
        del with_worker


@test("a malformed multipart body is 400")
def _():
    end = f"--{BOUNDARY}--\r\n".encode()
    job = part("job", json.dumps(JOB).encode(), None, "application/json")
    with Balancer() as lb:
        worker = lb.worker()
        for body, word in [(b"", "boundary"), (b"garbage", "boundary"), (job, "boundary"),
                           (job + end[:-6], "boundary"), (part("file", b"x", "a") + end, "first part"),
                           (end, "first part"), (part("job", b"{", None) + end, "JSON"),
                           (part("job", b"{}", None, "text/html") + end, "application/json"),
                           (b"--" + BOUNDARY.encode() + b"\r\nX\r\n\r\n", "header"),
                           (job_body().replace(BOUNDARY.encode(), b"other"), "boundary")]:
            refused(post(lb, body), 400, "malformed-request", word)
        refused(post(lb, content_type="application/json"), 400, "malformed-request", "multipart/form-data")
        refused(post(lb, content_type="multipart/form-data"), 400, "malformed-request", "boundary")
        refused(request(lb, "POST", "/v1/run"), 400, "malformed-request")
        del worker


@test("an invalid job is 422 and names the field")
def _():
    with Balancer() as lb:
        worker = lb.worker()
        for change, word in [({"cmd": []}, "cmd"), ({"cmd": "true"}, "cmd"), ({"cmd": [1]}, "cmd"),
                             ({"image": 7}, "image"), ({"image": "UPPER:1"}, "image"), ({"timeout_ms": 0}, "timeout_ms"),
                             ({"timeout_ms": "1"}, "timeout_ms"), ({"timeout_ms": 60001}, "timeout_ms"),
                             ({"env": ["A=1"]}, "env"), ({"env": {"A": 1}}, "env"), ({"outputs": "*"}, "outputs"),
                             ({"cache": 1}, "cache"), ({"stdin": "missing"}, "stdin"), ({"sdtin": "x"}, "sdtin"),
                             ({"cmd": ["a\0b"]}, "cmd")]:
            refused(post(lb, job={**JOB, **change}), 422, "invalid-job", word)
        refused(post(lb, job=[]), 422, "invalid-job", "object")
        refused(post(lb, job={"cmd": ["true"]}), 422, "invalid-job", "image")
        del worker


@test("a file name that is not a safe relative path is 422")
def _():
    with Balancer() as lb:
        worker = lb.worker()
        for name, word in [("../x", "'..'"), ("a/../b", "'..'"), ("/etc/passwd", "absolute"), ("a\0b", "NUL"), ("", "empty"),
                           ("a//b", "empty"), ("./a", "'.'"), ("a/", "empty"), ("a\x01b", "control"), ("x" * 256, "255"),
                           ("/".join("a" * 40), "32"), ("a%0Ab", "control"), ("\udcff\udcfe", "UTF-8"),
                           ("\udced\udca0\udc80", "UTF-8")]:
            refused(post(lb, files=[(name, b"x")]), 422, "invalid-job", word)
        del worker


@test("files that exclude one another are 422")
def _():
    with Balancer() as lb:
        worker = lb.worker()
        refused(post(lb, files=[("a", b"1"), ("b", b""), ("a", b"2")]), 422, "invalid-job", "'a' was sent twice")
        refused(post(lb, files=[("d/e/f", b"1"), ("d-x", b""), ("d.x", b""), ("d/e", b"2")]), 422, "invalid-job",
                "both a file and a folder")
        end = f"--{BOUNDARY}--\r\n".encode()
        job = part("job", json.dumps(JOB).encode())
        refused(post(lb, job + part("other", b"x", "a") + end), 422, "invalid-job", "'other'")
        refused(post(lb, job + job + end), 422, "invalid-job", "only once")
        refused(post(lb, job + part("file", b"x") + end), 422, "invalid-job", "filename")
        del worker


@test("what exceeds a limit is 413 and says which")
def _():
    with Balancer() as lb:
        worker = lb.worker()
        refused(post(lb, files=[(f"f{i}", b"") for i in range(10000)]), 413, "too-large", "4096 input files")
        refused(post(lb, files=[("a", bytes(20 * MIB)), ("b", bytes(13 * MIB))]), 413, "too-large",
                str(32 * MIB), str(33 * MIB))
        refused(post(lb, job={**JOB, "env": {"A": "x" * 65000, "B": "x" * 65000, "C": "x" * 65000, "D": "x" * 65000,
                                            "E": "x" * 65000}}), 413, "too-large", "job")
        refused(post(lb, files=[("d/" * 4 + "n" * 250 + f"{i:04}/{'m' * 100}", b"") for i in range(4000)]), 413,
                "too-large", "names")
        del worker


@test("a body over the limit is 413 as problem+json, with Content-Length and chunked")
def _():
    with Balancer(unix=False) as lb:
        for address in lb.tcp, lb.unix:
            lb.address = address
            refused(post(lb, bytes(40 * MIB)), 413, "too-large", str(36 * MIB))
            chunks = (bytes(MIB) for _ in range(40))
            refused(post(lb, chunks), 413, "too-large", str(36 * MIB))


@test("Expect: 100-continue is answered, or refused before the body comes")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        for size, wanted in (len(job_body()), b"HTTP/1.1 100 Continue\r\n\r\n"), (40 * MIB, b"HTTP/1.1 413 "):
            with connect(lb.address) as sock:
                sock.sendall(f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n"
                             f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
                equal(sock.recv(100)[:len(wanted)], wanted)
                if size < MIB:
                    sock.sendall(job_body())
                    job, _ = slot.take_job()
                    slot.answer(job)
                    equal(sock.recv(12), b"HTTP/1.1 200")
        control.close()


@test("paths, methods and forms that do not exist are 404, 405 and 406")
def _():
    with Balancer() as lb:
        worker = lb.worker()
        refused(request(lb, "GET", "/nothing"), 404, "not-found")
        refused(request(lb, "GET", "/v1/run/x"), 404, "not-found")
        response = request(lb, "GET", "/v1/run")
        refused(response, 405, "method-not-allowed")
        equal(response.headers["Allow"], "POST")
        response = request(lb, "DELETE", "/healthz")
        refused(response, 405, "method-not-allowed")
        equal(response.headers["Allow"], "GET, HEAD")
        refused(post(lb, accept="text/html"), 406, "not-acceptable", "application/x-cpio")
        refused(post(lb, accept="application/json;q=0"), 406, "not-acceptable")
        del worker


@test("HTTP/2 is not spoken, neither by upgrade nor by prior knowledge")
def _():
    with Balancer() as lb:
        response = request(lb, "GET", "/healthz", headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c",
                                                           "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"})
        equal(response.status, 200)
        with connect(lb.address) as sock:
            sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
            data = sock.recv(1000)
            if data and not data.startswith(b"HTTP/1.1 400"):
                raise AssertionError(data)


@test("the images that could run a file are found by its name")
def _():
    with Balancer() as lb:
        kinds = [{"type": "text/x-c", "patterns": ["*.c", "b\u00e4r *.h"]}]
        host = Host(lb.address, "h1", [dict(image("gcc:14"), inputs=kinds), "perl:5"])
        lb.wait_for(hosts=1)
        for query, names in (("?file=main.c", ["gcc:14"]), ("?x=y&file=a/b%2Ec", ["gcc:14"]), ("?file=main.py", []),
                             ("?file=b%C3%A4r+x.h", ["gcc:14"]), ("?file=%2", []), ("?file=", ["gcc:14", "perl:5"]),
                             ("?other=1", ["gcc:14", "perl:5"]), ("?file=" + "x" * 3000, [])):
            answer = request(lb, "GET", "/v1/images" + query).json()
            equal([i["name"] for i in answer["images"]], names)
        host.close()


@test("the images of all hosts are listed once, sorted, with the limits of a job")
def _():
    with Balancer() as lb:
        equal(request(lb, "GET", "/v1/images").json()["images"], [])
        one = Host(lb.address, "h1", ["gcc:14", "busybox:1.35"])
        two = Host(lb.address, "h2", ["gcc:14", image("gcc:13", "b")])
        lb.wait_for(hosts=2)
        answer = request(lb, "GET", "/v1/images").json()
        equal([(i["name"], i["hosts"]) for i in answer["images"]], [("busybox:1.35", 1), ("gcc:13", 1), ("gcc:14", 2)])
        equal(answer["defaults"]["timeout_ms"], 10000)
        equal(answer["defaults"]["input_files"], 4096)
        equal(len(answer["defaults"]), 12)
        one.hello("h1", [image("perl:5")])
        two.close()
        lb.wait_for(hosts=1)
        equal([i["name"] for i in request(lb, "GET", "/v1/images").json()["images"]], ["perl:5"])


@test("the service says what it is, how it does and what a problem means")
def _():
    with Balancer() as lb:
        about = request(lb, "GET", "/")
        equal((about.status, b"/v1/run" in about.body), (200, True))
        equal(lb.health(), {"status": "ok", "hosts": 0, "slots": 0, "ready": 0, "queued": 0, "running": 0})
        for kind in "no-worker", "unknown-image", "job-lost", "too-large", "canceled", "not-acceptable":
            response = request(lb, "GET", "/problems/" + kind)
            equal((response.status, response.headers["Content-Type"]), (200, "text/plain; charset=utf-8"))
        refused(request(lb, "GET", "/problems/none"), 404, "not-found")
        refused(request(lb, "GET", "/problems/" + "x" * 500), 404, "not-found")
        equal(request(lb, "HEAD", "/healthz").body, b"")


@test("many requests share one kept-alive connection, errors included")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        connection = Connection(lb.address)
        for i in range(5):
            refused(post(lb, job={"image": "none:1"}, connection=connection), 404, "unknown-image")
            pending = Background(post, lb, connection=connection)
            job, _ = slot.take_job()
            slot.answer(job, f"{i}".encode())
            equal(pending.done().form()[1][2], f"{i}".encode())
        connection.close()
        control.close()


@test("only a worker with the token may connect")
def _():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("secret-token\n")
        file.flush()
        with Balancer("--token-file", file.name) as lb:
            for token in None, "", "secret-toke", "secret-token2", "Secret-token", "x" * 5000:
                for path in "/v1/slot", "/v1/control":
                    link = WebSocket(lb.address, path, token=token)
                    equal(link.status, 401)
                    equal("problem+json" in link.head and "www-authenticate: Bearer" in link.head, True, link.head)
            control, slot = lb.worker(token="secret-token")
            pending = Background(post, lb)
            slot.answer(slot.take_job()[0])
            equal(pending.done().status, 200)
            control.close()


@test("a worker connection that is no proper WebSocket handshake is 400")
def _():
    with Balancer() as lb:
        refused(request(lb, "GET", "/v1/slot"), 400, "malformed-request", "WebSocket")
        equal(WebSocket(lb.address, "/v1/slot", protocol=None).status, 400)
        equal(WebSocket(lb.address, "/v1/slot", protocol="pe.slot.v2").status, 400)
        equal(WebSocket(lb.address, "/v1/slot", protocol="pe.slot.v2, pe.slot.v1").status, 101)
