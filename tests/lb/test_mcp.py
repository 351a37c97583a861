# SPDX-License-Identifier: Apache-2.0
"""The Model Context Protocol, byte by byte. tests/agents has its official clients."""
import json
from urllib.parse import quote

import pytest

from fixtures.mcp import META, MODERN, message
from fixtures.stand_in_worker import connect, image
from fixtures.waiting import Background, eventually

RUN = {"name": "run", "arguments": {"image": "gcc:14", "cmd": ["true"]}}


def post(balancer, body, headers=None, content_type="application/json"):
    body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    body = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": content_type, **(headers or {})}
    return balancer.request("POST", "/mcp", body, headers)


def legacy(balancer, method, params=None, headers=None):
    return post(balancer, message(method, params), headers)


def modern(balancer, method, params=None, headers=None, meta=META):
    """A request of the revision 2026-07-28. A header of None is left out."""
    params = {**(params or {}), "_meta": meta}
    sent = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, **(headers or {})}
    if "name" in params and "Mcp-Name" not in sent:
        sent["Mcp-Name"] = params["name"]
    sent = {name: value for name, value in sent.items() if value is not None}
    return post(balancer, message(method, params), sent)


def assert_error(response, status, code, words=""):
    error = response.json()["error"]
    assert (response.status, error["code"]) == (status, code), response.body
    assert words in error["message"], error


def tool_error(response):
    """The text of a tool's result that reports an error."""
    assert response.status == 200, response.body
    result = response.json()["result"]
    assert result["isError"] is True
    return result["content"][0]["text"]


def test_initialize_agrees_on_a_version_without_a_session(balancer):
    for wanted, got in (
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-11-25"),
        ("9999-99-99", "2025-11-25"),
        (None, "2025-11-25"),
    ):
        response = legacy(balancer, "initialize", {"protocolVersion": wanted} if wanted else {})
        result = response.json()["result"]
        assert result["protocolVersion"] == got
        assert result["capabilities"] == {"tools": {}}
        assert result["serverInfo"]["name"] == "program-explorer" and result["instructions"]
        assert "Mcp-Session-Id" not in response.headers
    told = post(balancer, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (told.status, told.body) == (202, b"")
    assert legacy(balancer, "ping").json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_modern_request_stands_for_itself(balancer):
    found = modern(balancer, "server/discover").json()["result"]
    assert found["supportedVersions"][0] == MODERN and "2025-11-25" in found["supportedVersions"]
    assert found["capabilities"] == {"tools": {}}
    for method in "server/discover", "tools/list":
        result = modern(balancer, method).json()["result"]
        assert result["resultType"] == "complete"
        assert result["ttlMs"] >= 0 and result["cacheScope"] == "public"
        assert "io.modelcontextprotocol/serverInfo" in result["_meta"]


def test_a_modern_request_whose_headers_do_not_fit_is_refused(balancer):
    for headers in (
        {"MCP-Protocol-Version": None},
        {"Mcp-Method": None},
        {"Mcp-Method": "tools/call"},
    ):
        assert_error(modern(balancer, "tools/list", headers=headers), 400, -32020, "header")
    for name in None, "list_images", "=?base64?cnVu=?=", "=?base64?bGlzdA==?=":
        response = modern(balancer, "tools/call", RUN, {"Mcp-Name": name})
        assert_error(response, 400, -32020, "Mcp-Name")
    # "run" in base64 means the same.
    assert "worker" in tool_error(
        modern(balancer, "tools/call", RUN, {"Mcp-Name": "=?base64?cnVu?="})
    )


def test_a_modern_request_without_what_it_must_say_of_itself_is_refused(balancer):
    assert_error(modern(balancer, "tools/list", meta={}), 400, -32602, "protocolVersion")
    only_version = {"io.modelcontextprotocol/protocolVersion": MODERN}
    assert_error(modern(balancer, "tools/list", meta=only_version), 400, -32602, "Capabilities")


def test_an_unknown_version_is_refused_with_the_known_ones(balancer):
    other = {**META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}
    response = modern(
        balancer, "tools/list", headers={"MCP-Protocol-Version": "1900-01-01"}, meta=other
    )
    assert_error(response, 400, -32022)
    data = response.json()["error"]["data"]
    assert data["requested"] == "1900-01-01" and MODERN in data["supported"]
    response = legacy(balancer, "ping", headers={"MCP-Protocol-Version": "2024-11-05"})
    assert_error(response, 400, -32022)


def test_an_unknown_method_is_404_for_modern_clients_only(balancer):
    assert_error(modern(balancer, "resources/list"), 404, -32601)
    assert_error(modern(balancer, "initialize"), 404, -32601)
    assert_error(legacy(balancer, "resources/list"), 200, -32601)
    assert_error(legacy(balancer, "server/discover"), 200, -32601)


@pytest.mark.parametrize(
    "body, code",
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'"x"', -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 100, -32700),
    ],
)
def test_a_body_that_is_no_message_is_refused(balancer, body, code):
    assert_error(post(balancer, body), 400, code)


def test_a_byte_order_mark_in_front_of_a_message_is_ignored(balancer):
    response = post(balancer, b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert (response.status, response.json()["result"]) == (200, {})


def test_a_message_with_too_many_bytes_or_values_is_413(balancer):
    response = post(balancer, b'{"jsonrpc":"2.0","x":"' + b"x" * (9 << 20) + b'"}')
    assert_error(response, 413, -32600, "8388608")
    response = post(balancer, b'{"jsonrpc":"2.0","x":[' + b"0," * 60000 + b"0]}")
    assert_error(response, 413, -32600)


def test_pages_of_other_origins_may_not_talk_to_it(start_balancer):
    balancer = start_balancer("--cors-origin", "https://good.example")
    for origin, status in (
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://127.0.0.1.evil.example", 403),
        ("null", 403),
        ("https://good.example", 200),
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:8080", 200),
        ("http://[::1]:1", 200),
    ):
        response = legacy(balancer, "ping", headers={"Origin": origin})
        assert response.status == status, origin


def test_other_methods_and_media_types_are_refused(balancer):
    for method in "GET", "DELETE", "PUT":
        response = balancer.request(method, "/mcp")
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert post(balancer, message("ping"), content_type="text/plain").status == 415


def test_a_tool_that_does_not_exist_or_gets_no_arguments_is_an_error(balancer):
    balancer.worker()
    assert_error(legacy(balancer, "tools/call", {"name": "rm"}), 200, -32602, "run, list_images")
    assert_error(legacy(balancer, "tools/call", {}), 200, -32602)
    wrong = {"name": "run", "arguments": []}
    assert_error(legacy(balancer, "tools/call", wrong), 200, -32602, "arguments")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, "image is missing"),
        ({"image": "gcc:15"}, "did you mean gcc:14? Call list_images"),
        ({"image": "gcc:14", "command": "x"}, "unknown argument 'command'"),
        ({"image": "gcc:14", "cmd": 7}, "cmd"),
        ({"image": "gcc:14", "cmd": []}, "cmd"),
        ({"image": "gcc:14", "timeout_ms": 60001}, "timeout_ms"),
        ({"image": "gcc:14", "stdin": 7}, "stdin"),
        ({"image": "gcc:14", "files": []}, "files"),
        ({"image": "gcc:14", "files": {"a": 7}}, "'a'"),
        ({"image": "gcc:14", "files": {"../a": ""}}, ".."),
        ({"image": "gcc:14", "files": {"a": {"base64": "?"}}}, "base64"),
    ],
)
def test_wrong_arguments_are_an_error_that_says_what_to_do(balancer, arguments, words):
    balancer.worker()
    response = legacy(balancer, "tools/call", {"name": "run", "arguments": arguments})
    text = tool_error(response)
    assert words in text, text
    assert text.endswith(("again.", "images.")), text
    assert response.json()["id"] == 1


def test_without_capacity_the_model_is_told_to_wait(start_balancer):
    balancer = start_balancer("--queue-jobs", "1")
    balancer.register("h1", [image("gcc:14")])
    balancer.wait_for(hosts=1)
    first = Background(legacy, balancer, "tools/call", RUN)
    balancer.wait_for(queued=1)
    assert "Wait" in tool_error(legacy(balancer, "tools/call", RUN))
    assert first.is_running()


def test_a_long_stream_is_shortened_in_the_middle(balancer):
    _, slot = balancer.worker()
    call = Background(legacy, balancer, "tools/call", RUN)
    job, _ = slot.take_job()
    slot.answer(job, b"begin" + b"\x01" * 500000 + b"end", b"\xff")
    result = call.done().json()["result"]
    seen = result["structuredContent"]
    assert seen["stdout"].startswith("begin") and seen["stdout"].endswith("end")
    assert len(seen["stdout"]) < 66000 and seen["stdout_truncated"] is True
    assert "434472 bytes are left out" in seen["stdout"]
    assert (seen["stderr"], seen["stderr_truncated"]) == ("\ufffd", False)


def test_files_that_are_too_large_are_named_only(balancer):
    _, slot = balancer.worker()
    call = Background(legacy, balancer, "tools/call", RUN)
    job, _ = slot.take_job()
    made = [("big", b"x" * (3 << 20)), ("small", b"y")]
    slot.answer(job, files=made)
    result = call.done().json()["result"]
    assert [one["type"] for one in result["content"]] == ["text", "resource"]
    assert result["content"][0]["text"].endswith("too large to be shown here: big")
    assert result["structuredContent"]["files"] == [
        {"name": "big", "size": 3 << 20, "included": False},
        {"name": "small", "size": 1, "included": True},
    ]


def test_the_text_says_what_is_missing(balancer):
    _, slot = balancer.worker()
    call = Background(legacy, balancer, "tools/call", RUN)
    job, _ = slot.take_job()
    dropped = [{"name": f"link{i}", "type": "symlink"} for i in range(9)]
    slot.answer(job, b"begin", stdout_truncated=True, outputs_dropped=20, dropped=dropped)
    text = call.done().json()["result"]["content"][0]["text"]
    names = ", ".join(f"link{i}" for i in range(8))
    assert "\n\nThe end of stdout is missing" in text and "of stderr" not in text
    assert text.endswith(f"did not fit: 20. Among them: {names}, …")


def test_a_resource_has_a_uri_with_the_exact_name_of_its_file(balancer):
    _, slot = balancer.worker()
    call = Background(legacy, balancer, "tools/call", RUN)
    job, _ = slot.take_job()
    names = ["a b", "a%20b", "d/q?u#e.txt", "new\nline", "ü~-_."]
    slot.answer(job, files=[(quote(name), b"x") for name in names])
    _, *resources = call.done().json()["result"]["content"]
    uris = [one["resource"]["uri"] for one in resources]
    assert uris == ["output:///" + quote(name) for name in names]


def test_a_program_that_fails_is_no_error_of_the_tool(balancer):
    _, slot = balancer.worker()
    for changes, words in (
        ({"exit_code": 3}, "Exit code 3"),
        ({"status": "signaled", "exit_code": None, "signal": 11}, "signal 11"),
        ({"status": "timeout", "exit_code": None}, "timeout_ms"),
        ({"status": "oom", "exit_code": None, "signal": 9}, "memory"),
    ):
        call = Background(legacy, balancer, "tools/call", RUN)
        job, _ = slot.take_job()
        slot.answer(job, **changes)
        result = call.done().json()["result"]
        assert result["isError"] is False
        assert words in result["content"][0]["text"], result


def test_closing_the_request_cancels_the_job(balancer):
    _, slot = balancer.worker()
    body = json.dumps(message("tools/call", RUN)).encode()
    with connect(balancer.address) as sock:
        sock.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        job, _ = slot.take_job()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    eventually(lambda: balancer.health()["running"] <= 1, "the job is over")


def listed(balancer, arguments):
    """The text that list_images returns."""
    response = legacy(balancer, "tools/call", {"name": "list_images", "arguments": arguments})
    return response.json()["result"]["content"][0]["text"]


def test_images_are_listed_once_and_by_file(balancer):
    kinds = [{"type": "text/x-c", "patterns": ["*.c"]}]
    balancer.register("h1", [dict(image("gcc:14"), inputs=kinds, description="C"), "perl:5"])
    balancer.register("h2", ["perl:5"])
    balancer.wait_for(hosts=2)

    assert sorted(listed(balancer, {}).splitlines()) == ["gcc:14: C", "perl:5"]
    assert listed(balancer, {"file": "main.c"}) == "gcc:14: C\n"
    assert "cmd" in listed(balancer, {"file": "x.unknown"})
    assert "string" in listed(balancer, {"file": 7})
    missing = {"name": "describe_image", "arguments": {"image": "nothing:1"}}
    assert "list_images" in tool_error(legacy(balancer, "tools/call", missing))


def test_a_file_name_that_is_too_long_is_not_matched_with_the_patterns_of_all_images(balancer):
    kinds = [{"type": "text/x-c", "patterns": ["*.c"]}]
    balancer.register("h1", [dict(image("gcc:14"), inputs=kinds)])
    balancer.wait_for(hosts=1)
    assert listed(balancer, {"file": "x" * 1022 + ".c"}) == "gcc:14\n"
    assert "too long" in listed(balancer, {"file": "x" * 1023 + ".c"})


def test_a_list_of_images_is_as_long_as_a_model_can_read_whatever_workers_say_of_them(balancer):
    about = "é" * 300
    images = [dict(image(f"{'x' * 200}{i}:1"), description=about) for i in range(900)]
    balancer.register("h1", images)
    balancer.wait_for(hosts=1)
    text = listed(balancer, {})
    first, *_, last = text.splitlines()
    assert first == f"{'x' * 200}0:1: {'é' * 200}…"
    assert last == "There may be more images, which are not listed here."
    assert len(text.encode()) < 264 * 1024
