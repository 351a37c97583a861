# SPDX-License-Identifier: Apache-2.0
"""Who may use the service: API keys with quotas, their revocation, and jobs without a key."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from fixtures.http_client import FORM, JOB, SAME, Connection, assert_refused, job_body
from fixtures.interactive import Session
from fixtures.mcp import message
from fixtures.paths import program
from fixtures.secret_file import secret_file
from fixtures.stages import case
from fixtures.stand_in_worker import Slot, WebSocket, image
from fixtures.waiting import PATIENCE, Background, eventually

KEY = re.compile(r"pek_[0-9a-f]{16}_[0-9a-f]{64}\n")


def pe_lb(*arguments):
    return subprocess.run(
        [program("pe-lb"), *arguments], capture_output=True, text=True, timeout=PATIENCE
    )


class KeyFile:
    """A file of keys, which `pe-lb key` changes."""

    def __init__(self, folder):
        self.path = f"{folder}/keys"

    def new(self, name, *quotas):
        done = pe_lb("key", "new", "--key-file", self.path, "--name", name, *quotas)
        assert done.returncode == 0, done.stderr
        assert KEY.fullmatch(done.stdout), done.stdout
        return done.stdout.strip()

    def revoke(self, name):
        done = pe_lb("key", "revoke", "--key-file", self.path, name)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path)


def bearer(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


def post(balancer, key, job=JOB, **headers):
    return balancer.post(job=job, headers={**bearer(key), **headers}, accept="application/json")


def reload(balancer):
    """Let the balancer read its files again, and wait until it has."""
    before = balancer.log().count("SIGHUP")
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: balancer.log().count("SIGHUP") > before, "SIGHUP is handled")


def run(balancer, slot, key, job=JOB, **answer):
    pending = Background(post, balancer, key, job)
    slot.answer(slot.take_job()[0], b"done", **answer)
    response = pending.done()
    assert response.status == 200, response.body
    return response


# ---- the file ----


def test_the_file_of_keys_has_only_hashes_and_is_private(keys):
    key = keys.new("alice", "--jobs-per-minute", "60", "--cpu-seconds-per-day", "3600")
    keys.new("bob@example.org", "--concurrent-jobs", "4")
    text = open(keys.path).read()
    assert key not in text and key.rsplit("_")[-1] not in text
    assert os.stat(keys.path).st_mode & 0o777 == 0o600
    assert os.listdir(os.path.dirname(keys.path)) == ["keys"], "nothing else is left"
    listed = pe_lb("key", "list", "--key-file", keys.path).stdout.splitlines()
    lines = sorted(line.split("\t") for line in listed[1:])
    assert [(line[0], *line[3:]) for line in lines] == [
        ("alice", "60", "3600", "-"),
        ("bob@example.org", "-", "-", "4"),
    ]
    keys.revoke("alice")
    assert "alice" not in open(keys.path).read()


def test_a_changed_file_of_keys_keeps_its_mode_and_owner(keys):
    open(keys.path, "w").close()
    os.chmod(keys.path, 0o640)
    os.chown(keys.path, 0, 12345)
    keys.new("alice")
    info = os.stat(keys.path)
    assert (info.st_mode & 0o777, info.st_gid) == (0o640, 12345)


def test_keys_that_are_made_at_the_same_time_are_all_kept(keys):
    made = [Background(keys.new, f"client-{i}") for i in range(8)]
    for call in made:
        call.done()
    assert len(json.load(open(keys.path))["keys"]) == 8


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["new"], "expected --name NAME"),
        (["new", "--name", "a b"], "is not the name of a key"),
        (["new", "--name", "twice"], "there is a key named 'twice' already"),
        (["revoke", "nobody"], "there is no key named 'nobody'"),
        (["other"], "there is no command 'other'; see pe-lb key --help"),
    ],
)
def test_a_wrong_command_about_keys_says_why(keys, arguments, text):
    keys.new("twice")
    if arguments[0] != "other":
        arguments = [arguments[0], "--key-file", keys.path, *arguments[1:]]
    done = pe_lb("key", *arguments)
    assert done.returncode != 0 and done.stdout == ""
    assert text in done.stderr, done.stderr


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda path: os.chmod(path, 0o644), "others may read or change"),
        (lambda path: os.chmod(path, 0o660), "others may read or change"),
        (lambda path: os.chown(path, 12345, 0), "belongs to another user"),
        (lambda path: open(path, "w").write("{"), "is not JSON"),
        (lambda path: open(path, "w").write('{"keys": [{"name": "x"}]}'), "key number 1"),
        (os.unlink, "there is no file"),
    ],
)
def test_a_file_of_keys_that_cannot_be_trusted_or_read_stops_the_start(keys, change, text):
    keys.new("alice")
    change(keys.path)
    done = pe_lb("--listen", "127.0.0.1:0", "--key-file", keys.path)
    assert done.returncode == 1
    assert "--key-file" in done.stderr and text in done.stderr, done.stderr


@pytest.mark.parametrize(
    "options, text",
    [
        (["--anonymous", "maybe"], "--anonymous expects on, off or limits, not 'maybe'"),
        (["--anonymous", "off"], "--anonymous off needs --key-file"),
        (["--anonymous-rate", "5"], "need --anonymous limits"),
    ],
)
def test_settings_of_anonymous_use_that_contradict_each_other_are_refused(options, text):
    done = pe_lb(*options)
    assert done.returncode == 2 and text in done.stderr, done.stderr


# ---- keys and everything that starts jobs ----


def test_without_anonymous_use_a_job_needs_a_key(start_balancer, keys):
    key = keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    _, slot = balancer.worker()
    response = post(balancer, None)
    assert_refused(response, 401, "unauthorized", "needs an API key", "pe-lb key new")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), "pek_x", "x" * 5000):
        assert_refused(post(balancer, wrong), 401, "unauthorized", "wrong, or it was revoked")
    assert run(balancer, slot, key).json()["stdout"] == "done"
    balancer.wait_for_log("key alice")
    assert key not in balancer.log()
    for path in ("/healthz", "/v1/images", "/metrics", "/"):
        assert balancer.request("GET", path).status in (200, 404), path


def test_a_result_that_is_cached_needs_a_key_as_well(start_balancer, keys):
    key = keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    _, slot = balancer.worker()
    run(balancer, slot, key, SAME)
    for _ in range(2):
        assert post(balancer, key, SAME).headers["Cache-Status"].endswith("hit")
        assert_refused(post(balancer, None, SAME), 401, "unauthorized")


def call_piston(balancer, headers):
    body = json.dumps({"language": "c", "version": "*", "files": [{"content": "x"}]}).encode()
    headers = {"Content-Type": "application/json", **headers}
    return balancer.request("POST", "/api/v2/execute", body, headers)


def call_mcp(balancer, headers):
    call = message("tools/call", {"name": "run", "arguments": {"image": "gcc:14", "cmd": ["true"]}})
    headers = {"Content-Type": "application/json", **headers}
    return balancer.request("POST", "/mcp", json.dumps(call).encode(), headers)


def call_json(balancer, headers):
    headers = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    return balancer.request("POST", "/v1/run", json.dumps(JOB).encode(), headers)


@pytest.mark.parametrize("call", [call_piston, call_mcp, call_json])
def test_every_way_to_start_a_job_needs_the_key(start_balancer, keys, call):
    key = keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    runtime = {"language": "c", "version": "1.0.0", "aliases": [], "run": ["cat"]}
    _, slot = balancer.worker(images=({**image("gcc:14"), "piston": [runtime]},))
    refused = call(balancer, {})
    assert refused.status == 401 and b"needs an API key" in refused.body, refused.body
    pending = Background(call, balancer, bearer(key))
    slot.answer(slot.take_job()[0], status="vm_error", reason="it is not run here")
    assert pending.done().status != 401


@pytest.mark.parametrize("path", ["/v1/connect", "/api/v2/connect"])
def test_a_websocket_needs_the_key_before_it_is_opened(start_balancer, keys, path):
    key = keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    assert WebSocket(balancer.address, path, protocol=None).status == 401
    assert WebSocket(balancer.address, path, protocol=None, token=key).status == 101
    offered = f"pe.connect.v1, pe.key.{key}"
    assert WebSocket(balancer.address, path, protocol=offered).status == 101
    assert WebSocket(balancer.address, path, protocol=f"pe.connect.v1, pe.key.{key}0").status == 401


def test_an_interactive_job_of_a_key_counts_for_it(start_balancer, keys):
    key = keys.new("alice", "--concurrent-jobs", "1")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    balancer.worker(live=1)
    session = Session(balancer.address, JOB, token=key)
    session.event("queued")
    assert_refused(post(balancer, key), 429, "too-many-requests", "this key has 1 jobs here")
    session.close()


def test_an_unknown_key_is_refused_where_no_key_is_needed(start_balancer, keys):
    keys.new("alice")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    assert_refused(post(balancer, "pek_unknown"), 401, "unauthorized")
    run(balancer, slot, None)


def test_without_a_file_of_keys_the_header_is_ignored(balancer):
    _, slot = balancer.worker()
    run(balancer, slot, "a-token-of-a-proxy")


# ---- revocation ----


def test_a_key_can_be_made_and_revoked_while_the_balancer_runs(start_balancer, keys):
    old = keys.new("old")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    _, slot = balancer.worker()
    new = keys.new("new")
    assert_refused(post(balancer, new), 401, "unauthorized")
    pending = Background(post, balancer, old)
    job, _ = slot.take_job()
    keys.revoke("old")
    reload(balancer)
    assert_refused(post(balancer, old), 401, "unauthorized", "revoked")
    slot.answer(job, b"it was let in before")
    assert pending.done().status == 200
    run(balancer, slot, new)


def test_a_key_is_revoked_though_another_file_of_the_balancer_became_wrong(
    start_balancer, keys, tmp_path
):
    key = keys.new("alice")
    files = {"--admin-token-file": "admin\n", "--token-file": "worker\n"}
    options = []
    for option, text in files.items():
        options += [option, secret_file(tmp_path / option, text)]
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off", *options)
    for path in options[1::2]:
        os.chmod(path, 0o644)
    keys.revoke("alice")
    reload(balancer)
    assert_refused(post(balancer, key), 401, "unauthorized", "revoked")
    for option in files:
        assert f"SIGHUP: {option}: others may read or change" in balancer.log()


def test_a_file_of_keys_that_became_wrong_leaves_the_keys_as_they_were(start_balancer, keys):
    key = keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--anonymous", "off")
    _, slot = balancer.worker()
    os.chmod(keys.path, 0o666)
    reload(balancer)
    assert "others may read or change" in balancer.log()
    run(balancer, slot, key)


# ---- quotas ----


def test_the_jobs_a_minute_of_a_key_are_those_of_all_its_addresses(start_balancer, keys):
    key, other = keys.new("alice", "--jobs-per-minute", "2"), keys.new("bob")
    balancer = start_balancer("--key-file", keys.path, "--trusted-proxy", "unix", "--rate", "1")
    for address in ("192.0.2.1", "192.0.2.2"):
        assert_refused(post(balancer, key, **{"X-Forwarded-For": address}), 503, "no-worker")
    response = post(balancer, key, **{"X-Forwarded-For": "192.0.2.3"})
    assert_refused(response, 429, "too-many-requests", "this key may send 2 jobs per minute")
    assert 1 <= int(response.headers["Retry-After"]) <= 31
    for _ in range(3):  # the limit of an address is not that of a key
        assert_refused(post(balancer, other, **{"X-Forwarded-For": "192.0.2.3"}), 503, "no-worker")


def test_a_key_may_have_only_so_many_jobs_at_a_time(start_balancer, keys):
    key = keys.new("alice", "--concurrent-jobs", "1")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    pending = Background(post, balancer, key)
    job, _ = slot.take_job()
    response = post(balancer, key)
    assert_refused(response, 429, "too-many-requests", "this key has 1 jobs here already")
    assert int(response.headers["Retry-After"]) == 1
    slot.answer(job)
    pending.done()
    run(balancer, slot, key)


def usage(seconds):
    return {"wall_ms": 1, "user_ms": seconds * 1000, "system_ms": 0, "max_rss_kib": 1}


def test_the_cpu_time_of_a_key_is_counted_and_bounded(start_balancer, keys):
    key, other = keys.new("alice", "--cpu-seconds-per-day", "10"), keys.new("bob")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    run(balancer, slot, key, usage=usage(9))
    run(balancer, slot, key, SAME, usage=usage(2))
    response = post(balancer, key)
    assert_refused(response, 429, "too-many-requests", "10 s of CPU time in 24 hours", "minutes")
    assert 86000 < int(response.headers["Retry-After"]) <= 86401
    run(balancer, slot, other)
    assert post(balancer, other, SAME).headers["Cache-Status"].endswith("hit"), "others are served"


def test_a_worker_that_lies_about_cpu_time_costs_a_key_no_more_than_the_time_limits_of_its_jobs(
    start_balancer, keys
):
    key = keys.new("alice", "--cpu-seconds-per-day", "25")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    for _ in range(3):  # the time limit of each is 10 s
        run(balancer, slot, key, usage=usage(500000))
    assert_refused(post(balancer, key), 429, "too-many-requests", "25 s of CPU time in 24 hours")


def test_a_key_whose_jobs_report_no_cpu_time_has_still_only_so_many_at_a_time(start_balancer, keys):
    key = keys.new("alice", "--cpu-seconds-per-day", "10", "--concurrent-jobs", "2")
    balancer = start_balancer("--key-file", keys.path)
    _, *slots = balancer.worker(slots=2)
    for _ in range(3):
        pending = [Background(post, balancer, key) for _ in slots]
        jobs = [slot.take_job()[0] for slot in slots]
        assert_refused(post(balancer, key), 429, "too-many-requests", "this key has 2 jobs here already")
        for slot, job in zip(slots, jobs):
            slot.answer(job, usage=usage(0))
        assert [one.done().status for one in pending] == [200, 200]


def test_a_result_from_the_cache_costs_no_cpu_time(start_balancer, keys):
    key = keys.new("alice", "--cpu-seconds-per-day", "10")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    run(balancer, slot, key, SAME, usage=usage(6))
    for _ in range(3):
        assert post(balancer, key, SAME).headers["Cache-Status"].endswith("hit")
    run(balancer, slot, key)


def test_a_job_that_its_client_abandons_costs_the_time_for_which_it_ran(start_balancer, keys):
    key = keys.new("alice", "--cpu-seconds-per-day", "1")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    connection = Connection(balancer.address)
    connection.request("POST", "/v1/run", job_body(), {"Content-Type": FORM, **bearer(key)})
    slot.take_job()
    eventually(lambda: balancer.metric("pe_jobs_running") == 1, "it runs")
    time.sleep(1.1)  # what has to have passed, not a limit for the machine
    connection.close()
    eventually(lambda: post(balancer, key).status == 429, "the time is used up")


SPREAD = {
    "image": "gcc:14",
    "stages": [{"cmd": ["./a"]}],
    "cases": [{"stdin": "0", "expect": "0"}, {"stdin": "1", "expect": "1"}],
    "slots": 2,
    "on_failure": "stop",
    "cache": False,
}


def test_each_part_of_a_job_that_its_client_abandons_costs_its_time(start_balancer, keys):
    key = keys.new("alice", "--cpu-seconds-per-day", "2")
    balancer = start_balancer("--key-file", keys.path)
    _, first = balancer.worker()
    second = Slot(balancer.address)
    connection = Connection(balancer.address)
    connection.request("POST", "/v1/run", job_body(SPREAD), {"Content-Type": FORM, **bearer(key)})
    for slot in (first, second):
        slot.take_job()
    time.sleep(1.2)  # what has to have passed, not a limit for the machine
    connection.close()
    eventually(lambda: post(balancer, key).status == 429, "the time is used up")


def test_a_part_that_is_not_needed_after_a_failure_costs_its_time(start_balancer, keys):
    key = keys.new("alice", "--cpu-seconds-per-day", "1")
    balancer = start_balancer("--key-file", keys.path)
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, key, SPREAD)
    jobs = [(slot, *slot.take_job()) for slot in (first, second)]
    time.sleep(1.1)  # what has to have passed, not a limit for the machine
    for slot, job, files in jobs:
        if files[-1][1].endswith(b"0"):  # it has the first case
            slot.answer(job, case(0, b"wrong"), usage=usage(0))
    assert pending.done().status == 200
    assert post(balancer, key).status == 429


def test_who_inherits_a_job_pays_for_it(start_balancer, keys):
    heir, other = keys.new("alice", "--cpu-seconds-per-day", "1"), keys.new("bob")
    balancer = start_balancer("--key-file", keys.path)
    _, slot = balancer.worker()
    connection = Connection(balancer.address)
    connection.request("POST", "/v1/run", job_body(SAME), {"Content-Type": FORM, **bearer(other)})
    job, _ = slot.take_job()
    pending = Background(post, balancer, heir, SAME)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "the other one has joined")
    connection.close()
    eventually(lambda: balancer.metric("pe_requests_open") == 1, "the first one has left")
    slot.answer(job, usage=usage(2))
    assert pending.done().status == 200
    assert post(balancer, heir).status == 429


def test_a_changed_quota_holds_after_a_reload(start_balancer, keys):
    key = keys.new("alice", "--jobs-per-minute", "1")
    balancer = start_balancer("--key-file", keys.path)
    assert_refused(post(balancer, key), 503, "no-worker")
    assert_refused(post(balancer, key), 429, "too-many-requests")
    listed = json.load(open(keys.path))
    del listed["keys"][0]["jobs_per_minute"]
    with open(keys.path, "w") as file:
        json.dump(listed, file)
    reload(balancer)
    assert_refused(post(balancer, key), 503, "no-worker")


# ---- without a key ----


def test_anonymous_use_can_have_limits_of_its_own(start_balancer, keys):
    key = keys.new("alice")
    balancer = start_balancer(
        "--key-file", keys.path, "--anonymous", "limits", "--anonymous-rate", "2"
    )
    for _ in range(2):
        assert_refused(post(balancer, None), 503, "no-worker")
    assert_refused(post(balancer, None), 429, "too-many-requests", "this address may send 2 jobs")
    assert_refused(post(balancer, key), 503, "no-worker")


def test_anonymous_use_with_limits_bounds_cpu_time_and_jobs_at_a_time(start_balancer):
    balancer = start_balancer(
        "--anonymous", "limits", "--anonymous-cpu-seconds", "5", "--anonymous-jobs", "1"
    )
    _, slot = balancer.worker()
    pending = Background(post, balancer, None)
    job, _ = slot.take_job()
    assert_refused(post(balancer, None), 429, "too-many-requests", "this address has 1 jobs here")
    slot.answer(job, usage=usage(6))
    pending.done()
    assert_refused(post(balancer, None), 429, "too-many-requests", "5 s of CPU time in 24 hours")


def test_many_addresses_do_not_make_the_balancer_forget_what_a_key_has_used(start_balancer, keys):
    key = keys.new("alice", "--jobs-per-minute", "1")
    balancer = start_balancer("--key-file", keys.path, "--trusted-proxy", "unix")
    assert_refused(post(balancer, key), 503, "no-worker")
    for i in range(300):
        post(balancer, None, **{"X-Forwarded-For": f"2001:db8:0:{i:x}::1"})
    assert_refused(post(balancer, key), 429, "too-many-requests")


def test_results_of_clients_with_keys_are_kept_apart_if_the_operator_wants_it(start_balancer, keys):
    first, second = keys.new("alice"), keys.new("bob")
    balancer = start_balancer("--key-file", keys.path, "--cache-per-client")
    _, slot = balancer.worker()
    run(balancer, slot, first, SAME)
    assert post(balancer, first, SAME).headers["Cache-Status"].endswith("hit")
    response = run(balancer, slot, second, SAME)
    assert "fwd=uri-miss" in response.headers["Cache-Status"]


def test_pages_of_other_origins_may_send_a_key(start_balancer, keys):
    keys.new("alice")
    balancer = start_balancer("--key-file", keys.path, "--cors-origin", "https://page.example")
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    response = balancer.request("OPTIONS", "/v1/run", headers=headers)
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
