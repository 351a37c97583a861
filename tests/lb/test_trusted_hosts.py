# SPDX-License-Identifier: Apache-2.0
"""Jobs that demand a host that the operator trusts: who counts as one, and which results answer them."""
import json

import pytest

from fixtures.host_tokens import HostTokens, join
from fixtures.http_client import SAME, assert_refused
from fixtures.interactive import Session
from fixtures.openapi import validate
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import Closed, Registration, Slot
from fixtures.waiting import Background

TRUSTED = {**SAME, "hosts": "trusted"}


def token_of(name):
    return f"host-{name}".ljust(69, "0")


@pytest.fixture
def balancer(start_balancer, tmp_path):
    """A balancer that trusts the hosts `safe` and `loose`. `safe` and `den` have tokens of their own; the
    token `shared` is one that several hosts have."""
    store = HostTokens(tmp_path / "tokens")
    codes = {name: store.new(name) for name in ("safe", "den")}
    balancer = start_balancer(
        "--tokens",
        store.path,
        "--token-file",
        secret_file(tmp_path / "shared", "shared\n"),
        "--trusted-host",
        "safe",
        "--trusted-host",
        "loose",
        "--queue-wait-ms",
        "1000",
    )
    for name, code in codes.items():
        assert join(balancer, code, token_of(name)).status == 200
    return balancer


def host(balancer, name, token=None, **options):
    return balancer.worker(host=name, token=token or token_of(name), **options)


def post(balancer, job, number=None):
    job = job if number is None else {**job, "cmd": ["fresh", str(number)]}
    return balancer.post(job=job, accept="application/json")


def test_a_job_that_demands_a_trusted_host_goes_to_no_other(balancer):
    host(balancer, "den")
    _, safe = host(balancer, "safe")
    for number in range(3):
        pending = Background(post, balancer, TRUSTED, number)
        safe.answer(safe.take_job()[0], b"safe")
        result = pending.done().json()
        assert result["stdout"] == "safe" and result["trusted_host"] is True
        validate(balancer.request("GET", "/openapi.json").body, [("JsonResult", result)])


def test_the_result_of_another_host_does_not_say_that_it_is_trusted(balancer):
    _, den = host(balancer, "den")
    pending = Background(post, balancer, SAME)
    den.answer(den.take_job()[0], trusted_host=True)  # a worker cannot claim it
    assert "trusted_host" not in pending.done().json()
    validate(balancer.request("GET", "/openapi.json").body, [("Job", TRUSTED)])


def test_without_a_trusted_host_the_job_is_refused_with_the_reason(balancer):
    host(balancer, "den")
    response = post(balancer, TRUSTED)
    assert_refused(response, 422, "trusted-host-unavailable", "trusts has the image 'gcc:14'")
    both = {**TRUSTED, "isolation": "hardware"}
    assert_refused(post(balancer, both), 422, "isolation-unavailable", "available: emulation")
    assert_refused(post(balancer, {**TRUSTED, "image": "none:1"}), 404, "unknown-image")
    session = Session(balancer.address, TRUSTED)
    assert "trusted-host-unavailable" in json.dumps(session.rest())


def test_a_host_on_the_list_without_a_token_of_its_own_is_not_trusted(balancer):
    host(balancer, "loose", token="shared")
    assert_refused(post(balancer, TRUSTED), 422, "trusted-host-unavailable")


@pytest.mark.parametrize("token", ["shared", token_of("den")])
def test_no_other_token_lets_a_slot_or_a_registration_use_the_name_of_a_trusted_host(
    balancer, token
):
    host(balancer, "safe")
    for kind in (Slot, Registration):
        with pytest.raises(Closed):
            kind(balancer.address, "safe", token=token).receive()


def test_a_stored_result_of_another_host_does_not_answer_the_job(balancer):
    _, den = host(balancer, "den")
    pending = Background(post, balancer, SAME)
    den.answer(den.take_job()[0], b"den")
    pending.done()
    _, safe = host(balancer, "safe")
    pending = Background(post, balancer, TRUSTED)
    safe.answer(safe.take_job()[0], b"safe")
    assert pending.done().json()["stdout"] == "safe"
    for job in (TRUSTED, SAME):
        response = post(balancer, job)
        assert response.headers["Cache-Status"].endswith("hit")
        assert response.json()["stdout"] == "safe"


def test_a_job_that_runs_elsewhere_is_not_shared_with_one_that_demands_a_trusted_host(balancer):
    _, den = host(balancer, "den")
    plain = Background(post, balancer, SAME)
    running, _ = den.take_job()
    _, safe = host(balancer, "safe")
    demanding = Background(post, balancer, TRUSTED)
    safe.answer(safe.take_job()[0], b"safe")
    den.answer(running, b"den")
    assert demanding.done().json()["stdout"] == "safe"
    assert plain.done().json()["stdout"] == "den"


def test_the_list_of_hosts_shows_which_are_trusted(balancer):
    host(balancer, "den")
    host(balancer, "safe")
    headers = {"Authorization": "Bearer shared"}
    listed = balancer.request("GET", "/v1/hosts", headers=headers).json()
    assert {entry["name"]: entry["trusted"] for entry in listed["hosts"]} == {
        "den": False,
        "safe": True,
    }
    validate(balancer.request("GET", "/openapi.json").body, [("Hosts", listed)])
    balancer.wait_for_log("it is trusted")


@pytest.mark.parametrize("hosts", ["mine", "", True, ["trusted"]])
def test_another_demand_of_hosts_is_refused(balancer, hosts):
    host(balancer, "safe")
    response = balancer.post(job=json.dumps({**SAME, "hosts": hosts}))
    assert_refused(response, 422, "invalid-job", "hosts")
