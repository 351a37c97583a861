# SPDX-License-Identifier: Apache-2.0
"""Hosts with tokens of their own: how an operator lets them in, what they may do, how they are shut out."""
import fcntl
import json
import os
import stat
import time

import pytest

from fixtures.host_tokens import HostTokens, digest, join
from fixtures.http_client import assert_refused
from fixtures.openapi import validate
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import Closed, Registration, Slot
from fixtures.waiting import Background, eventually

TOKEN = "host-" + "1" * 64
OTHER = "host-" + "2" * 64


@pytest.fixture
def store(tmp_path):
    return HostTokens(tmp_path / "tokens")


@pytest.fixture
def balancer(start_balancer, store):
    return start_balancer("--tokens", store.path, "--token-file", operators(store))


def operators(store):
    return secret_file(store.path + ".operators", "operator\n")


def listing(balancer):
    headers = {"Authorization": "Bearer operator"}
    response = balancer.request("GET", "/v1/hosts", headers=headers)
    assert response.status == 200
    return response.json()


def refused_after_hello(balancer, name, token):
    """Why the balancer closes the registration of a worker with this name and token."""
    registration = Registration(balancer.address, name, token=token)
    with pytest.raises(Closed) as closed:
        registration.receive()
    return closed.value.reason


def test_a_host_joins_with_a_code_and_its_worker_runs_jobs(balancer, store):
    code = store.new("den")
    answer = join(balancer, code, TOKEN)
    assert answer.status == 200
    assert answer.json() == {"host": "den", "images": None}
    registration, slot = balancer.worker(host="den", token=TOKEN)
    balancer.run_on(slot)


def test_the_store_has_only_hashes_and_only_its_owner_reads_it(balancer, store):
    code = store.new("den")
    assert join(balancer, code, TOKEN).status == 200
    assert code not in store.stored() and TOKEN not in store.stored()
    assert digest(code) in store.stored() and digest(TOKEN) in store.stored()
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o700
    for name in os.listdir(store.path):
        assert stat.S_IMODE(os.stat(os.path.join(store.path, name)).st_mode) == 0o600, name


def test_a_code_that_is_only_looked_at_can_still_be_used(balancer, store):
    code = store.new("den")
    assert join(balancer, code).json()["host"] == "den"
    assert join(balancer, code).json()["host"] == "den"
    assert store.list()["den"]["state"] == "waiting"
    assert join(balancer, code, TOKEN).status == 200


def test_the_answer_can_be_asked_for_again_with_the_same_token_but_no_other_host_can_use_the_code(
    balancer, store
):
    code = store.new("den")
    assert join(balancer, code, TOKEN).status == 200
    assert join(balancer, code, TOKEN).status == 200
    for token in OTHER, None:
        details = "was used already", "pe-lb token revoke --host den"
        assert_refused(join(balancer, code, token), 403, "invalid-join-code", *details)


def test_codes_that_have_expired_or_are_unknown_or_were_replaced_are_refused_with_what_to_do(
    balancer, store
):
    code = store.new("den", expires="1s")
    eventually(lambda: store.list()["den"]["state"] == "expired", "the code expires")
    expired = join(balancer, code, TOKEN)
    assert_refused(expired, 403, "invalid-join-code", "expired at 20", "token new --host den")
    for foreign in "join-" + "0" * 32, "", TOKEN, "join-" + "é" * 16:
        response = join(balancer, foreign, TOKEN)
        assert_refused(response, 403, "invalid-join-code", "another balancer", "ask the operator")
    newer = store.new("den")
    assert_refused(join(balancer, code, TOKEN), 403, "invalid-join-code", "replaced by a newer one")
    assert join(balancer, newer, TOKEN).status == 200


def test_a_code_that_was_revoked_before_it_was_used_is_refused(balancer, store):
    code = store.new("den")
    assert join(balancer, code).status == 200, "it can be looked at"
    store.revoke("den")
    assert_refused(join(balancer, code, TOKEN), 403, "invalid-join-code")
    assert balancer.register("den", token=TOKEN).status == 401


def test_bodies_that_are_no_join_are_refused(balancer, store):
    def status(body):
        return balancer.request("POST", "/v1/join", body).status

    assert [status(body) for body in (b"", b"x", b"[]", b"{}", b'{"code":1}', b"\xff")] == [400] * 6
    assert status(b"[" * 2000) == 413
    assert status(json.dumps({"code": store.new("den"), "token_sha256": "00"})) == 400
    assert status(b" " * 5000) == 413
    assert balancer.request("GET", "/v1/join").status == 405


def test_a_balancer_without_a_store_lets_no_host_join(start_balancer):
    assert_refused(join(start_balancer(), "join-1", TOKEN), 404, "not-found", "--tokens")


def test_a_host_admits_only_a_worker_with_its_own_name(balancer, store):
    for host, token in ("den", TOKEN), ("attic", OTHER):
        assert join(balancer, store.new(host), token).status == 200
    assert "token of host 'den'" in refused_after_hello(balancer, "attic", TOKEN)
    assert "a token of its own" in refused_after_hello(balancer, "den", "operator")
    slot = Slot(balancer.address, "attic", token=TOKEN)
    with pytest.raises(Closed) as closed:
        slot.receive()
    assert "--name den" in closed.value.reason
    assert listing(balancer)["hosts"] == []
    balancer.worker(host="free", token="operator")
    balancer.worker(host="den", token=TOKEN)


def test_a_host_that_joins_gets_its_name_from_a_worker_with_the_token_of_all(balancer, store):
    registration, slot = balancer.worker(host="den", token="operator")
    pending = Background(balancer.post)
    slot.take_job()
    assert join(balancer, store.new("den"), TOKEN).status == 200
    for connection in slot, registration:
        with pytest.raises(Closed) as closed:
            connection.receive()
        assert "a token of its own" in closed.value.reason
    own, own_slot = balancer.worker(host="den", token=TOKEN)
    own_slot.answer(own_slot.take_job()[0], b"its own")
    assert pending.done().form()[1][2] == b"its own"


def test_a_host_can_neither_list_hosts_nor_drain_them(balancer, store):
    assert join(balancer, store.new("den"), TOKEN).status == 200
    balancer.worker(host="other", token="operator")
    headers = {"Authorization": "Bearer " + TOKEN}
    response = balancer.request("GET", "/v1/hosts", headers=headers)
    assert_refused(response, 401, "unauthorized", "--token-file")
    response = balancer.request("POST", "/v1/hosts/other/drain", headers=headers)
    assert_refused(response, 401, "unauthorized", "--token-file")


def test_revoking_a_token_ends_the_connections_of_its_host_and_its_job_runs_elsewhere(
    balancer, store
):
    assert join(balancer, store.new("den"), TOKEN).status == 200
    registration, slot = balancer.worker(host="den", token=TOKEN)
    pending = Background(balancer.post)
    slot.take_job()
    store.revoke("den")
    for connection in slot, registration:
        with pytest.raises(Closed) as closed:
            connection.receive()
        assert closed.value.reason == "the token of this host was revoked"
    other, spare = balancer.worker(host="spare", token="operator")
    spare.answer(spare.take_job()[0], b"elsewhere")
    assert pending.done().form()[1][2] == b"elsewhere"
    assert Registration(balancer.address, "den", token=TOKEN).status == 401
    assert [host["name"] for host in listing(balancer)["hosts"]] == ["spare"]
    assert listing(balancer)["tokens"] == [] and store.list() == {}


def test_hosts_shows_which_host_uses_which_token_and_never_the_secret(balancer, store):
    for host in "attic", "den", "expired":
        code = store.new(host, expires="1s" if host == "expired" else "1h")
        if host == "den":
            assert join(balancer, code, TOKEN).status == 200
    balancer.worker(host="den", token=TOKEN)
    balancer.worker(host="h1", token="operator")
    eventually(lambda: store.list()["expired"]["state"] == "expired", "the code expires")
    found = listing(balancer)
    assert {host["name"]: host["token"] for host in found["hosts"]} == {"den": "den", "h1": None}
    states = [(token["host"], token["state"], token["connected"]) for token in found["tokens"]]
    assert states == [
        ("attic", "waiting", False),
        ("den", "joined", True),
        ("expired", "expired", False),
    ]
    den = found["tokens"][1]
    assert den["created"] <= den["joined"] <= den["last_seen"] < den["expires"]
    text = json.dumps(found)
    assert TOKEN not in text and digest(TOKEN) not in text
    document = balancer.request("GET", "/openapi.json").body
    validate(document, [("Hosts", found), ("Joined", {"host": "a", "images": None})])


def test_when_a_host_was_connected_last_survives_the_balancer(start_balancer, store):
    balancer = start_balancer("--tokens", store.path)
    assert join(balancer, store.new("den"), TOKEN).status == 200
    assert store.list()["den"]["last_seen"] is None
    balancer.worker(host="den", token=TOKEN)
    balancer.end()
    seen = store.list()["den"]
    assert seen["joined"] <= seen["last_seen"]


def test_every_process_of_a_balancer_knows_a_host_at_once(start_balancer, store):
    first, second = (start_balancer("--tokens", store.path) for _ in range(2))
    assert join(first, store.new("den"), TOKEN).status == 200
    second.worker(host="den", token=TOKEN)
    assert join(second, store.new("attic"), OTHER).status == 200
    registration, slot = first.worker(host="attic", token=OTHER)
    store.revoke("attic")
    with pytest.raises(Closed):
        registration.receive()


def test_another_balancer_knows_a_host_once_the_file_of_tokens_was_copied_there(
    start_balancer, store, tmp_path
):
    folder = tmp_path / "other"
    folder.mkdir()
    first = start_balancer("--tokens", store.path)
    second = start_balancer("--tokens", str(folder))
    assert join(first, store.new("den"), TOKEN).status == 200
    assert Registration(second.address, "den", token=TOKEN).status == 401
    (folder / "new").write_text(store.stored())
    (folder / "new").rename(folder / "tokens.json")
    second.worker(host="den", token=TOKEN)
    first.worker(host="den", token=TOKEN)


def test_a_code_lets_one_host_in_when_several_try_at_the_same_time(start_balancer, store):
    balancers = [start_balancer("--tokens", store.path) for _ in range(2)]
    code = store.new("den")

    def attempt(i):
        while True:
            answer = join(balancers[i % 2], code, f"host-{i}")
            if answer.status != 503:  # the other process changes the store
                return answer.status
            time.sleep(0.01)

    attempts = [Background(attempt, i) for i in range(8)]
    assert sorted(one.done() for one in attempts) == [200] + [403] * 7


def test_a_host_gives_its_token_back_and_its_code_is_valid_again(balancer, store):
    code = store.new("den")
    assert join(balancer, code, TOKEN).status == 200
    registration, slot = balancer.worker(host="den", token=TOKEN)

    def leave(token):
        headers = {"Authorization": "Bearer " + token}
        return balancer.request("DELETE", "/v1/join", headers=headers)

    assert leave("operator").status == 401 and leave("none").status == 401
    assert leave(TOKEN).status == 204
    with pytest.raises(Closed):
        registration.receive()
    assert leave(TOKEN).status == 401
    eventually(lambda: join(balancer, code, OTHER).status == 200, "the code is valid again")


def test_a_host_that_joins_and_leaves_all_the_time_lets_the_store_be_written_once_a_second(
    balancer, store
):
    code = store.new("den")
    headers = {"Authorization": "Bearer " + TOKEN}
    begun = time.monotonic()
    admitted, refused = 0, []
    while time.monotonic() < begun + 2 or not refused:
        answer = join(balancer, code, TOKEN)
        admitted += answer.status == 200
        refused += [answer] if answer.status != 200 else []
        balancer.request("DELETE", "/v1/join", headers=headers)
    took = time.monotonic() - begun
    assert admitted <= took + 2, "a second may have begun just before, or end"
    assert_refused(refused[0], 503, "no-capacity", "has just given its token back; try again")


def test_a_code_that_lets_nobody_in_does_not_wait_for_changes_of_the_store(balancer, store):
    used, fresh = store.new("den"), store.new("attic")
    assert join(balancer, used, TOKEN).status == 200
    with open(os.path.join(store.path, ".lock"), encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert join(balancer, used, TOKEN).status == 200
        assert join(balancer, used, OTHER).status == 403
        assert join(balancer, fresh).status == 200
        assert join(balancer, fresh, OTHER).status == 503


def test_the_operator_can_name_images_for_new_hosts_and_change_them(
    start_balancer, store, tmp_path
):
    images = tmp_path / "images"
    pinned = "python:3@sha256:" + "a" * 64
    images.write_text(
        f"# for new hosts\n\nhttps://images.example/store # by a CDN\ngcc:14\n{pinned}\n"
    )
    balancer = start_balancer("--tokens", store.path, "--host-images", str(images))
    code = store.new("den")
    expected = {"store": "https://images.example/store", "names": ["gcc:14", pinned]}
    assert join(balancer, code).json()["images"] == expected
    images.write_text("http://images.example\n")
    balancer.process.send_signal(1)
    balancer.wait_for_log("were read again")
    assert join(balancer, code).json()["images"] == {"store": "http://images.example", "names": []}
    images.write_text("images.example\n")
    balancer.process.send_signal(1)
    balancer.wait_for_log("line 1: the first line must be the URL of an image store")
    assert join(balancer, code).json()["images"]["store"] == "http://images.example"


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "it has no URL"),
        ("ftp://host\n", "line 1: the first line must be the URL"),
        ("http://host\ngcc\n", "line 2: 'gcc' is no image"),
        ("http://host\n\ngcc:14@sha256:00\n", "line 3: 'sha256:00' is no digest"),
        ("http://host\nGCC:14\n", "line 2: 'GCC:14' is no image"),
    ],
)
def test_a_file_of_images_that_is_wrong_is_refused_with_its_line(
    start_balancer, tmp_path, text, complaint
):
    images = tmp_path / "images"
    images.write_text(text)
    with pytest.raises(AssertionError, match=complaint):
        start_balancer("--host-images", str(images))


def test_a_damaged_store_is_refused_at_the_start_and_kept_out_later(start_balancer, store):
    balancer = start_balancer("--tokens", store.path)
    assert join(balancer, store.new("den"), TOKEN).status == 200
    path = os.path.join(store.path, "tokens.json")
    good = store.stored()
    with open(path, "w", encoding="ascii") as file:
        file.write('{"hosts":[{"host":"../x"}]}')
    balancer.wait_for_log("are damaged")
    balancer.worker(host="den", token=TOKEN)
    with pytest.raises(AssertionError, match="are damaged; restore the file"):
        start_balancer("--tokens", store.path)
    with open(path, "w", encoding="ascii") as file:
        file.write(good)
    assert store.list()["den"]["state"] == "joined"


def test_names_and_times_that_are_wrong_are_refused_with_what_is_expected(store):
    def complaint(*arguments):
        done = store.command("new", *arguments)
        assert done.returncode == 1 and not done.stdout
        return done.stderr

    assert "--host NAME is missing" in complaint()
    for name in "", "../x", "a b", ".a", "ä", "x" * 128:
        assert "is no name of a host" in complaint("--host", name)
    for text in "", "1", "h", "0s", "-1h", "1w", "4000d", "9" * 40 + "s":
        assert "is no duration" in complaint("--host", "den", "--expires", text)
    assert "no host 'den'" in store.command("revoke", "--host", "den").stderr
    assert store.list() == {}


def test_a_host_that_has_joined_gets_a_new_code_only_after_it_was_revoked(balancer, store):
    assert join(balancer, store.new("den"), TOKEN).status == 200
    again = store.command("new", "--host", "den")
    assert again.returncode == 1 and "pe-lb token revoke --host den" in again.stderr
    store.revoke("den")
    assert join(balancer, store.new("den"), OTHER).status == 200
