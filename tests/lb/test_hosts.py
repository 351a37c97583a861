# SPDX-License-Identifier: Apache-2.0
"""Workers as an operator sees them, and how one is taken out of service."""

from fixtures.http_client import JOB, assert_refused
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import Closed, Slot
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
        "away": False,
        "trusted": False,
        "token": None,
        "differences": 0,
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
    registration.hello("h1", [], draining=True)
    eventually(lambda: hosts(balancer)["h1"]["stopping"], "the host is shown as stopping")


def test_a_worker_whose_registration_is_lost_is_away_and_its_slots_get_jobs(start_balancer):
    balancer = start_balancer("--away-ms", "600000")
    registration, slot = balancer.worker()
    registration.close()
    balancer.wait_for(hosts=0)
    assert hosts(balancer)["h1"]["away"]
    images = balancer.request("GET", "/v1/images").json()["images"]
    assert [image["name"] for image in images] == ["gcc:14"]
    balancer.run_on(slot)
    balancer.register()
    balancer.wait_for(hosts=1)
    assert not hosts(balancer)["h1"]["away"]


def test_jobs_wait_for_a_worker_that_vanished_within_their_own_time(start_balancer):
    balancer = start_balancer("--away-ms", "600000", "--queue-wait-ms", "600000")
    registration, slot = balancer.worker()
    registration.close(), slot.close()
    balancer.wait_for(hosts=0, slots=0)
    pending = [Background(balancer.post, job={**JOB, "cmd": [str(i)]}) for i in range(5)]
    balancer.wait_for(queued=5)
    impatient = balancer.post(job={**JOB, "cmd": ["impatient"]}, headers={"Prefer": "wait=1"})
    assert_refused(impatient, 503, "no-capacity", "1000 ms")
    registration, slot = balancer.register(), Slot(balancer.address)
    for _ in pending:
        slot.answer(slot.take_job()[0], b"out")
    assert [job.done().status for job in pending] == [200] * 5


def test_a_worker_that_does_not_return_or_has_said_that_it_stops_is_forgotten(start_balancer):
    balancer = start_balancer("--away-ms", "1000")
    balancer.register().close()
    eventually(lambda: hosts(balancer) == {}, "the host is forgotten after its time")
    assert_refused(balancer.post(), 503, "no-worker")
    balancer.end()
    balancer = start_balancer("--away-ms", "600000")
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    registration.hello("h1", [], draining=True)
    registration.close()
    eventually(lambda: hosts(balancer) == {}, "the host that stopped is forgotten")


def test_a_host_that_uses_the_name_of_another_one_does_not_take_it_out_of_service(balancer):
    registration, slot = balancer.worker()
    foreign = balancer.register("h1", images=[])
    balancer.wait_for_log("another registration with this name is open")
    balancer.run_on(slot)
    foreign.close()
    balancer.wait_for_log("registration of worker 'h1' is closed")
    balancer.run_on(slot, job={**JOB, "cmd": ["another"]})
    assert balancer.health()["hosts"] == 1


def test_listing_and_draining_workers_needs_the_token_and_an_existing_worker(
    start_balancer, tmp_path
):
    balancer = start_balancer("--token-file", secret_file(tmp_path / "tokens", "secret\n"))
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
