"""Requests that are refused: a clear error, and the service goes on."""
import socket

import service as s
from run import nothing_is_left, test

OK = {"image": "busybox:1.35", "cmd": ["true"]}


def refused(service, body, status, kind, *words, **how):
    answer = service.post(body, **how)
    s.check_equal(answer.status, status, answer.body[:300])
    problem = answer.problem()
    s.check_equal((problem["status"], problem["type"]), (status, "/problems/" + kind), problem)
    for word in words:
        s.check(word in problem["detail"], f"{word!r} is not in {problem['detail']!r}")


@test("an unknown image is 404 and names near ones")
def _(service):
    refused(service, s.form({"image": "busybox:1.34", "cmd": ["true"]}), 404, "unknown-image", "busybox:1.34", "busybox:1.35")
    refused(service, s.form({"image": "gc:14", "cmd": ["true"]}), 404, "unknown-image", "gcc:14")
    nothing_is_left(service)


@test("file names that are absolute, have .. or a NUL, or come twice are refused by name")
def _(service):
    for name, word in (("../x", "'..'"), ("a/../../x", "'..'"), ("/etc/passwd", "absolute"), ("a//b", "empty component"),
                       (b"a\0b", "NUL"), ("", "empty")):
        refused(service, s.form(OK, [(name, "x")]), 422, "invalid-job", word)
    refused(service, s.form(OK, [("a", "1"), ("b", "2"), ("a", "3")]), 422, "invalid-job", "'a'")
    refused(service, s.form(OK, [("a", "1"), ("a/b", "2")]), 422, "invalid-job", "'a'")
    nothing_is_left(service)


@test("10,000 files are refused with the limit")
def _(service):
    refused(service, s.form(OK, [(f"f{i}", "x") for i in range(10000)]), 413, "too-large", "4096")
    nothing_is_left(service)


@test("4,096 files are not too many")
def _(service):
    outcome = service.run("ls | wc -l", files=[(f"f{i:04}", str(i)) for i in range(4096)])
    s.check_equal(outcome.stdout, b"4096\n")


@test("an empty cmd, wrong types and unknown fields are refused by field")
def _(service):
    for change, word in (({"cmd": []}, "'cmd'"), ({"cmd": "ls"}, "'cmd'"), ({"image": 7}, "'image'"), ({"env": []}, "'env'"),
                         ({"timeout_ms": "1"}, "'timeout_ms'"), ({"timeout_ms": 10 ** 9}, "60000"),
                         ({"stdin": "missing"}, "missing"), ({"comand": []}, "'comand'")):
        refused(service, s.form({**OK, **change}), 422, "invalid-job", word)
    refused(service, s.form("{not json"), 400, "malformed-request", "JSON")
    refused(service, s.form("[]"), 422, "invalid-job", "object")
    nothing_is_left(service)


@test("a default command without its files says which are missing")
def _(service):
    refused(service, s.form({"image": "gcc:14"}, [("README", "x")]), 422, "invalid-job", ".c")


@test("a body over the limit is refused with the limit")
def _(service):
    refused(service, s.form(OK, [("big", b"x" * (33 << 20))]), 413, "too-large", "33554432")
    answer = None
    try:
        answer = service.post(s.form(OK, [("big", b"x" * (60 << 20))]))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before the last byte was sent
    s.check(answer is None or answer.status == 413, answer)
    nothing_is_left(service)


@test("32 MiB of input go through")
def _(service):
    data = bytes(i * 7 & 255 for i in range(1 << 16)) * 511
    outcome = service.run("cat big | md5sum", files=[("big", data)], timeout_ms=30000)
    import hashlib
    s.check_equal(outcome.stdout.split()[0].decode(), hashlib.md5(data).hexdigest())


@test("a broken multipart body is refused")
def _(service):
    whole = s.form(OK, [("a", "x")])
    for body in (whole[:-10], whole[: len(whole) // 2], b"", b"--other\r\n\r\n", whole.replace(b"form-data", b"attachment")):
        refused(service, body, 400, "malformed-request")
    refused(service, whole, 400, "malformed-request", content_type="text/plain")
    refused(service, whole, 400, "malformed-request", content_type="multipart/form-data")
    nothing_is_left(service)


@test("a client that disconnects in the middle of its upload leaves nothing")
def _(service):
    body = s.form(OK, [("a", b"x" * 100000)])
    for cut in (10, 200, 50000):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            head = (f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={s.BOUNDARY}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
            connection.sendall(head.encode() + body[:cut])
    nothing_is_left(service)


@test("a client that disconnects while its job runs has the job canceled")
def _(service):
    body = s.form({"image": "busybox:1.35", "cmd": ["sleep", "50"], "timeout_ms": 60000})
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        head = (f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={s.BOUNDARY}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        connection.sendall(head.encode() + body)
        service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    service.wait_for(lambda h: h["running"] == 0, 5, "the canceled job")
    nothing_is_left(service)
