# SPDX-License-Identifier: Apache-2.0
"""A job with its files as one JSON body."""
import base64
import gzip
import json
import random

import pytest

from fixtures.http_client import JOB, SAME, assert_refused, job_body
from fixtures.openapi import validate
from fixtures.waiting import Background

MIB = 1 << 20


def post_json(balancer, body, content_type="application/json", **options):
    body = body if isinstance(body, (str, bytes)) else json.dumps(body, ensure_ascii=False)
    body = body.encode() if isinstance(body, str) else body
    return balancer.post(body, content_type=content_type, **options)


def received(balancer, slot, body, **options):
    """What a slot gets for a body: the job and its files."""
    client = Background(post_json, balancer, body, **options)
    job, files = slot.take_job()
    slot.answer(job)
    assert client.done().status == 200
    return job["job"], files


def test_a_job_in_json_arrives_like_one_in_a_form(balancer):
    _, slot = balancer.worker()
    content = bytes(range(256))
    body = {
        **JOB,
        "env": {"A": "b"},
        "files": {
            "main.c": "int main() {}\n",
            "dir/é.txt": "\u0000\U0001f600\n",
            "a.bin": {"base64": base64.b64encode(content).decode()},
            "empty": "",
            "empty.bin": {"base64": ""},
        },
        "stdin": "main.c",
    }
    validate(balancer.request("GET", "/openapi.json").body, [("JobWithFiles", body)])
    job, files = received(balancer, slot, body)
    assert (job["image"], job["env"], job["stdin"]) == (JOB["image"], {"A": "b"}, "main.c")
    assert "files" not in job
    assert files == [  # names are percent-encoded in the slot protocol
        ("main.c", b"int main() {}\n"),
        ("dir/%C3%A9.txt", "\u0000\U0001f600\n".encode()),
        ("a.bin", content),
        ("empty", b""),
        ("empty.bin", b""),
    ]


@pytest.mark.parametrize(
    "body",
    [
        '{"files":{"a":"1"},"image":"gcc:14","cache":false}',
        ' { "files" : {"a":"1"} , "image" : "gcc:14" , "cache" : false } ',
        '{"image":"gcc:14","files":{"a":"1"},"cache":false}',
        '{"image":"gcc:14","cache":false,"files":{"a":"1"}}\n',
        '{"image":"gcc:14","cache":false,"fil\\u0065s":{"a":"\\u0031"}}',
    ],
)
def test_the_files_may_be_anywhere_in_the_body(balancer, body):
    _, slot = balancer.worker()
    job, files = received(balancer, slot, body)
    assert (job["image"], job["cache"]) == ("gcc:14", False)
    assert files == [("a", b"1")]


@pytest.mark.parametrize("rest", ["", ',"files":{}', ',"files":null'])
def test_a_body_needs_no_files(balancer, rest):
    _, slot = balancer.worker()
    _, files = received(balancer, slot, '{"image":"gcc:14","cmd":["true"],"cache":false%s}' % rest)
    assert files == []


def test_the_media_type_may_have_parameters_and_capitals(balancer):
    _, slot = balancer.worker()
    received(balancer, slot, JOB, content_type="Application/JSON; charset=utf-8")
    received(balancer, slot, JOB, content_type="application/json ;charset=utf-8")


def test_another_media_type_is_415_and_the_answer_names_those_that_are_taken(balancer):
    balancer.worker()
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",  # what curl -d sends by itself
        "application/jsonp",
        "application/json2",
        "multipart/mixed; boundary=x",
    ):
        response = post_json(balancer, JOB, content_type)
        assert_refused(response, 415, "unsupported-media-type", "application/json", content_type)
    explained = balancer.request("GET", "/problems/unsupported-media-type")
    assert explained.status == 200 and b"Content-Type" in explained.body


def test_a_result_is_shared_by_both_forms_of_a_job(balancer):
    _, slot = balancer.worker()
    first = Background(balancer.post, job=SAME, files=[("a", b"1")])
    job, _ = slot.take_job()
    slot.answer(job, b"once")
    assert first.done().status == 200
    for _ in range(2):  # the second time, the body itself is known
        again = post_json(balancer, {**SAME, "files": {"a": "1"}}, accept="application/json")
        assert (again.json()["stdout"], again.json()["cached"]) == ("once", True)


@pytest.mark.parametrize(
    "files, words",
    [
        ([], "'files' must be an object"),
        ("a", "'files' must be an object"),
        (7, "'files' must be an object"),
        ({"a": 7}, "file 'a' must be a string"),
        ({"a": None}, "file 'a' must be a string"),
        ({"a": ["x"]}, "file 'a' must be a string"),
        ({"a": {}}, "file 'a' must be a string"),
        ({"a": {"text": "x"}}, "file 'a' must be a string"),
        ({"a": {"base64": 7}}, "file 'a' must be a string"),
        ({"a": {"base64": None}}, "file 'a' must be a string"),
        ({"a": {"base64": "eA==", "mode": 1}}, "file 'a' must be a string"),
        ({"a": {"base64": "eA"}}, "file 'a': the base64 has 2 characters"),
        ({"a": {"base64": "eA==\n"}}, "file 'a': the base64"),
        ({"a": {"base64": "e$=="}}, "file 'a': characters 1 to 4"),
        ({"": "x"}, "name of file 1 is empty"),
        ({"a" * 2000: "x"}, "name of file 1 is empty or has more than 1024"),
        ({"../a": "x"}, ".."),
        ({"/a": "x"}, "/a"),
        ({"a\nb": "x"}, "control character"),
        ({"a": "x", "a/b": "y"}, "both a file and a folder"),
    ],
)
def test_a_file_of_another_form_is_refused_and_named(balancer, files, words):
    balancer.worker()
    assert_refused(post_json(balancer, {**JOB, "files": files}), 422, "invalid-job", words)


def test_a_file_and_the_files_may_be_sent_only_once(balancer):
    balancer.worker()
    twice = '{"image":"gcc:14","files":{"a":"x","a":"y"}}'
    assert_refused(post_json(balancer, twice), 422, "invalid-job", "'a' was sent twice")
    twice = '{"image":"gcc:14","files":{"a":"x"},"files":{"b":"y"}}'
    assert_refused(post_json(balancer, twice), 422, "invalid-job", "'files' was sent twice")
    twice = '{"image":"gcc:14","files":{"a":{"base64":"","base64":""}}}'
    assert_refused(post_json(balancer, twice), 422, "invalid-job", "'a' must be a string")


def test_the_job_in_a_body_is_checked_like_that_of_a_form(balancer):
    balancer.worker()
    for change, word in (
        ({"cmd": "true"}, "cmd"),
        ({"file": {}}, "file"),
        ({"timeout_ms": 0}, "timeout_ms"),
        ({"stdin": "b"}, "stdin"),
    ):
        body = {**JOB, "files": {"a": "x"}, **change}
        assert_refused(post_json(balancer, body), 422, "invalid-job", word)
    assert_refused(post_json(balancer, {"files": {"a": "x"}}), 422, "invalid-job", "image")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b'{"image":"gcc:14"} x',
        b'{"image":"gcc:14",}',
        b'{"image":"gcc:14","files":{"a":"x"}',
        b'{"image":"gcc:14","files":{"a":"x"}}}',
        b'{"image":"gcc:14","files":{"a":"x",}}',
        b'{"image":"gcc:14","files":{"a":"\xff"}}',
        b'{"image":"gcc:14","files":{"a":"\\ud800"}}',
        b'{"image":"gcc:14","files":{"a":"x"} "cache":false}',
        b'{,"image":"gcc:14"}',
        b'{"files":{"a":"x"},}',
        b'{"files":{"a":"x"},,"image":"gcc:14"}',
        b'{"image":"gcc:14","cmd":[[' + b"[" * 100000,
    ],
)
def test_a_body_that_is_not_json_is_400(balancer, body):
    balancer.worker()
    assert_refused(post_json(balancer, body), 400, "malformed-request", "JSON")


def test_a_byte_order_mark_in_front_of_a_body_is_ignored(balancer):
    _, slot = balancer.worker()
    job, files = received(balancer, slot, b'\xef\xbb\xbf{"image":"gcc:14","files":{"a":"1"},"cache":false}')
    assert (job["image"], files) == ("gcc:14", [("a", b"1")])
    assert_refused(post_json(balancer, b"\xef\xbb\xbf"), 400, "malformed-request", "the body is not JSON")
    form = job_body({**JOB, "cmd": ["true"]}).replace(b'{"', b'\xef\xbb\xbf{"', 1)
    client = Background(balancer.post, form)
    job, _ = slot.take_job()
    assert job["job"]["cmd"] == ["true"]
    slot.answer(job)
    assert client.done().status == 200


def test_a_body_in_json_that_is_no_object_is_told_so(balancer):
    balancer.worker()
    for body in (b"[]", b'"x"', b"null", b"7"):
        assert_refused(post_json(balancer, body), 400, "malformed-request", "the body must be a JSON object")


def test_a_compressed_body_is_415_and_the_answer_names_the_coding(balancer):
    _, slot = balancer.worker()
    for coding in ("gzip", "br", "x" * 300):
        response = post_json(balancer, gzip.compress(b"{}"), headers={"Content-Encoding": coding})
        assert_refused(response, 415, "unsupported-media-type", f"Content-Encoding is '{coding[:100]}'")
    received(balancer, slot, JOB, headers={"Content-Encoding": "Identity"})


def test_a_body_over_a_limit_is_413_and_names_the_limit(balancer):
    balancer.worker()
    for change, words in (
        ({"files": {f"f{i}": "" for i in range(4097)}}, "4096 input files"),
        ({"files": {"a": "x" * (20 * MIB), "b": "x" * (13 * MIB)}}, str(32 * MIB)),
        ({"env": {name: "x" * 65000 for name in "ABCDE"}}, "without its files"),
        ({"files": {f"{'n' * 250}/{i:04}/{'m' * 100}": "" for i in range(4000)}}, "names"),
    ):
        assert_refused(post_json(balancer, {**JOB, **change}), 413, "too-large", words)
    assert_refused(post_json(balancer, b"[" * (37 * MIB)), 413, "too-large", str(36 * MIB))


def test_bodies_that_are_cut_or_changed_anywhere_are_refused_or_run(balancer):
    """Whatever is sent, the balancer answers and goes on."""
    chance = random.Random(20)
    whole = json.dumps({**JOB, "files": {"a": "\u00e9\\\n", "b": {"base64": "eHl6"}}}).encode()
    for _ in range(300):
        body = bytearray(whole)
        at = chance.randrange(len(body))
        if chance.random() < 0.5:
            del body[at:]
        else:
            body[at] = chance.choice(b'{}[],:"\\u0 \x00\xff')
        response = post_json(balancer, bytes(body))
        assert response.status in (400, 404, 422, 503), (response.status, body)
