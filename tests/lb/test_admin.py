# SPDX-License-Identifier: Apache-2.0
"""What operators see and do: /admin and /v1/admin, with --admin-token-file."""
import os
import signal

import pytest

from fixtures.http_client import assert_refused
from fixtures.openapi import validate
from fixtures.stand_in_worker import BINARY
from fixtures.waiting import eventually

OPERATOR = {"Authorization": "Bearer operator"}
WORKER = {"Authorization": "Bearer worker"}


@pytest.fixture
def page(tmp_path):
    """A folder that looks like a built playground."""
    (tmp_path / "page/assets").mkdir(parents=True)
    for name in "index", "admin":
        (tmp_path / f"page/{name}.html").write_text(f"<title>{name}</title>")
    return str(tmp_path / "page")


@pytest.fixture
def start(start_balancer, tmp_path, page):
    """Starts a balancer with a token for workers and one for operators."""
    for name in "worker", "operator":
        (tmp_path / name).write_text(name + "\n")
        (tmp_path / name).chmod(0o600)
    files = ("--token-file", f"{tmp_path}/worker", "--admin-token-file", f"{tmp_path}/operator")
    return lambda *options: start_balancer(*files, "--playground", page, *options)


def state(balancer):
    return balancer.request("GET", "/v1/admin", headers=OPERATOR).json()


def test_an_operator_sees_queue_slots_and_the_last_errors_with_the_newest_first(start):
    balancer = start()
    registration, slot = balancer.worker(token="worker")
    seen = state(balancer)
    validate(balancer.request("GET", "/openapi.json").body, [("Admin", seen)])
    assert {key: seen[key] for key in ("workers", "slots", "ready", "running", "queued")} == {
        "workers": 1,
        "slots": 1,
        "ready": 1,
        "running": 0,
        "queued": 0,
    }
    assert seen["errors"] == []
    slot.send(BINARY, b"nobody asked for this")
    registration.send(BINARY, b"nor for this")
    eventually(lambda: len(state(balancer)["errors"]) == 2, "both errors are listed")
    for error in state(balancer)["errors"]:
        assert (error["level"], error["request"]) == ("warn", None)
        assert "worker 'h1'" in error["message"]


def test_only_so_many_errors_are_kept(start):
    balancer = start()
    for _ in range(70):
        balancer.request("GET", "/v1/control")
    errors = state(balancer)["errors"]
    assert len(errors) == 64
    assert {error["message"] for error in errors} == {
        "a worker without a valid token was refused"
    }


def test_paths_of_operators_need_a_token_of_theirs_and_a_workers_is_not_enough(start):
    balancer = start()
    balancer.register(token="worker")
    for method, path in (
        ("GET", "/v1/admin"),
        ("GET", "/v1/hosts"),
        ("POST", "/v1/hosts/h1/drain"),
        ("DELETE", "/v1/hosts/h1/drain"),
    ):
        for headers in {}, WORKER, {"Cookie": "token=operator"}:
            assert_refused(balancer.request(method, path, headers=headers), 401, "unauthorized")
        assert balancer.request(method, path + "?token=operator").status == 401
        assert balancer.request(method, path, headers=OPERATOR).status in (200, 204)
    assert balancer.register("h2", token="operator").status == 401


def test_the_page_of_operators_has_a_policy_and_is_shown_in_no_frame(start):
    response = start().request("GET", "/admin", headers={"Accept": "text/html"})
    assert response.body == b"<title>admin</title>"
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Set-Cookie" not in response.headers


def test_without_a_file_of_tokens_there_is_neither_page_nor_state(start_balancer, page):
    balancer = start_balancer("--playground", page)
    for path in "/admin", "/v1/admin":
        assert_refused(balancer.request("GET", path), 404, "not-found", "--admin-token-file")


def test_a_page_of_another_origin_may_not_send_the_token_of_an_operator(start):
    balancer = start("--cors-origin", "https://page.example")
    headers = {
        "Origin": "https://other.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    response = balancer.request("OPTIONS", "/v1/admin", headers=headers)
    assert "Access-Control-Allow-Origin" not in response.headers


def test_tokens_of_operators_are_read_again_on_sighup(start, tmp_path):
    balancer = start()
    (tmp_path / "operator").write_text("another\n")
    os.kill(balancer.process.pid, signal.SIGHUP)
    balancer.wait_for_log("were read again")
    assert balancer.request("GET", "/v1/admin", headers=OPERATOR).status == 401
