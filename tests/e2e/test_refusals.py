# SPDX-License-Identifier: Apache-2.0
"""Requests that are refused with a clear error, after which the service goes on."""
import hashlib

from fixtures.http_client import assert_refused, job_body, job_request
from fixtures.stand_in_worker import connect

OK = {"image": "busybox:1.35", "cmd": ["true"]}


def assert_body_refused(service, body, status, kind, *texts, **how):
    assert_refused(service.post(body, **how), status, kind, *texts)


def test_an_unknown_image_is_404_with_suggestions(service):
    assert_body_refused(
        service,
        job_body({"image": "busybox:1.34", "cmd": ["true"]}),
        404,
        "unknown-image",
        "busybox:1.34",
        "busybox:1.35",
    )
    assert_body_refused(
        service, job_body({"image": "gc:14", "cmd": ["true"]}), 404, "unknown-image", "gcc:14"
    )
    service.assert_nothing_is_left()


def test_absolute_climbing_and_duplicate_file_names_are_refused_by_name(service):
    for name, word in (
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("/etc/passwd", "absolute"),
        ("a//b", "empty component"),
        (b"a\0b", "NUL"),
        ("", "empty"),
    ):
        assert_body_refused(service, job_body(OK, [(name, "x")]), 422, "invalid-job", word)
    assert_body_refused(
        service, job_body(OK, [("a", "1"), ("b", "2"), ("a", "3")]), 422, "invalid-job", "'a'"
    )
    assert_body_refused(
        service, job_body(OK, [("a", "1"), ("a/b", "2")]), 422, "invalid-job", "'a'"
    )
    service.assert_nothing_is_left()


def test_10_000_files_are_refused_with_the_limit(service):
    assert_body_refused(
        service, job_body(OK, [(f"f{i}", "x") for i in range(10000)]), 413, "too-large", "4096"
    )
    service.assert_nothing_is_left()


def test_4_096_files_are_not_too_many(service):
    job = service.run("ls | wc -l", files=[(f"f{i:04}", str(i)) for i in range(4096)])
    assert job.stdout == b"4096\n"


def test_an_empty_cmd_wrong_types_and_unknown_fields_are_refused_by_field(service):
    for change, word in (
        ({"cmd": []}, "'cmd'"),
        ({"cmd": "ls"}, "'cmd'"),
        ({"image": 7}, "'image'"),
        ({"env": []}, "'env'"),
        ({"timeout_ms": "1"}, "'timeout_ms'"),
        ({"timeout_ms": 10**9}, "60000"),
        ({"stdin": "missing"}, "missing"),
        ({"comand": []}, "'comand'"),
    ):
        assert_body_refused(service, job_body({**OK, **change}), 422, "invalid-job", word)
    assert_body_refused(service, job_body("{not json"), 400, "malformed-request", "JSON")
    assert_body_refused(service, job_body("[]"), 422, "invalid-job", "object")
    service.assert_nothing_is_left()


def test_a_default_command_without_its_files_names_the_missing_ones(service):
    assert_body_refused(
        service, job_body({"image": "gcc:14"}, [("README", "x")]), 422, "invalid-job", ".c"
    )


def test_a_body_over_the_limit_is_refused_with_the_limit(service):
    assert_body_refused(
        service, job_body(OK, [("big", b"x" * (33 << 20))]), 413, "too-large", "33554432"
    )
    answer = None
    try:
        answer = service.post(job_body(OK, [("big", b"x" * (60 << 20))]))
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before the last byte was sent
    assert answer is None or answer.status == 413, answer
    service.assert_nothing_is_left()


def test_32_mib_of_input_go_through(service):
    data = bytes(i * 7 & 255 for i in range(1 << 16)) * 511
    job = service.run("cat big | md5sum", files=[("big", data)])
    assert job.stdout.split()[0].decode() == hashlib.md5(data).hexdigest()


def test_a_broken_multipart_body_is_refused(service):
    complete = job_body(OK, [("a", "x")])
    for body in (
        complete[:-10],
        complete[: len(complete) // 2],
        b"",
        b"--other\r\n\r\n",
        complete.replace(b"form-data", b"attachment"),
    ):
        assert_body_refused(service, body, 400, "malformed-request")
    assert_body_refused(
        service, complete, 415, "unsupported-media-type", content_type="text/plain"
    )
    assert_body_refused(
        service, complete, 400, "malformed-request", content_type="multipart/form-data"
    )
    service.assert_nothing_is_left()


def test_a_client_that_disconnects_in_the_middle_of_its_upload_leaves_nothing(service):
    body = job_body(OK, [("a", b"x" * 100000)])
    for cut in (10, 200, 50000):
        with connect(service.address) as connection:
            request = job_request(body=body)
            connection.sendall(request[: len(request) - len(body) + cut])
    service.assert_nothing_is_left()


def test_a_client_that_disconnects_while_its_job_runs_has_the_job_canceled(service):
    body = job_body({"image": "busybox:1.35", "cmd": ["sleep", "50"], "timeout_ms": 60000})
    with connect(service.address) as connection:
        connection.sendall(job_request(body=body))
        service.wait_until_running()
    service.wait_until(lambda h: h["running"] == 0, "the job is canceled", seconds=40)
    service.assert_nothing_is_left()
