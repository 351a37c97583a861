# SPDX-License-Identifier: Apache-2.0
"""Workers as an operator sees them, and how one is taken out of service."""

from fixtures.stand_in_worker import Closed
from fixtures.waiting import Background, eventually


def hosts(balancer):
    return {host["name"]: host for host in balancer.request("GET", "/v1/hosts").json()["hosts"]}


def drain(balancer, name, method="POST", token=None):
    headers = {"Authorization": "Bearer " + token} if token else None
    return balancer.request(method, f"/v1/hosts/{name}/drain", headers=headers).status


def gets_nothing(slot):
    try:
        return slot.receive(0.3)
    except (TimeoutError, OSError, Closed):
        return None


def test_a_worker_that_an_operator_drains_gets_no_job_until_it_is_resumed(balancer):
    registration, slot = balancer.worker()
    assert hosts(balancer)["h1"] == {
        "name": "h1",
        "isolation": "emulation",
        "slots": 1,
        "vms": 1,
        "ready": 1,
        "running": 0,
        "images": 1,
        "stopping": False,
        "drained": False,
    }
    assert drain(balancer, "h1") == 204
    assert hosts(balancer)["h1"]["drained"]
    pending = Background(balancer.post)
    balancer.wait_for(queued=1)
    assert gets_nothing(slot) is None
    assert drain(balancer, "h1", "DELETE") == 204
    slot.answer(slot.take_job()[0], b"out")
    assert pending.done().status == 200


def test_a_job_that_runs_on_a_worker_when_it_is_drained_finishes_there(balancer):
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    assert drain(balancer, "h1") == 204
    slot.answer(job, b"out")
    assert pending.done().form()[1][2] == b"out"


def test_jobs_go_to_other_workers_and_a_drained_worker_stays_drained_when_it_returns(balancer):
    registration, slot = balancer.worker()
    assert drain(balancer, "h1") == 204
    other, spare = balancer.worker(host="h2")
    pending = Background(balancer.post)
    spare.answer(spare.take_job()[0], b"other")
    assert pending.done().form()[1][2] == b"other"
    registration.close(), slot.close()
    balancer.wait_for(hosts=1)
    registration, slot = balancer.worker()
    assert hosts(balancer)["h1"]["drained"]
    registration.close(), other.close()


def test_a_worker_that_says_it_stops_is_shown_as_stopping(balancer):
    registration, slot = balancer.worker()
    registration.send_message(
        type="hello",
        host="h1",
        arch="x86_64",
        cpu="test",
        vmm="none",
        isolation="emulation",
        slots=1,
        vms=1,
        draining=True,
        images=[],
    )
    eventually(lambda: hosts(balancer)["h1"]["stopping"], "the host is shown as stopping")


def test_listing_and_draining_workers_needs_the_token_and_an_existing_worker(
    start_balancer, tmp_path
):
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    balancer = start_balancer("--token-file", str(tokens))
    registration, slot = balancer.worker(token="secret")
    assert balancer.request("GET", "/v1/hosts").problem()["type"] == "/problems/unauthorized"
    assert drain(balancer, "h1") == 401
    assert drain(balancer, "h1", token="wrong") == 401
    assert drain(balancer, "h1", token="secret") == 204
    assert drain(balancer, "none", token="secret") == 404
    assert drain(balancer, "h1", method="PUT", token="secret") == 405


def test_hosts_and_metrics_say_what_isolates_the_jobs_of_each_worker(balancer):
    connections = [
        *balancer.worker(host="h1", isolation="hardware"),
        *balancer.worker(host="h2", isolation="kernel"),
        *balancer.worker(host="h3", isolation="kernel"),
    ]
    said = {name: host["isolation"] for name, host in hosts(balancer).items()}
    assert said == {"h1": "hardware", "h2": "kernel", "h3": "kernel"}
    counts = {
        kind: balancer.metric(f'pe_isolation_workers{{isolation="{kind}"}}')
        for kind in ("hardware", "kernel", "emulation")
    }
    assert counts == {"hardware": 1, "kernel": 2, "emulation": 0}
    assert len(connections) == 6
