# SPDX-License-Identifier: Apache-2.0
"""A worker as a whole: what it reports, how it ends, how many jobs it takes."""
import pytest

from fixtures import processes
from fixtures.http_client import job_body
from fixtures.waiting import PATIENCE, Background


pytestmark = pytest.mark.each_engine


def hosts(service):
    return service.request("GET", "/v1/hosts").json()["hosts"]


def test_the_response_and_both_logs_have_the_same_request_id(service):
    answer = service.post(job_body({"image": "busybox:1.35", "cmd": ["true"], "cache": False}))
    request = answer.headers["x-request-id"]
    service.worker.wait_for_log(f"request={request} ")
    service.balancer.wait_for_log(f"request={request} ")


def test_a_worker_that_stops_reports_it_and_ends_after_its_job(service):
    pending = Background(lambda: service.run("sleep 6; echo done"))
    service.wait_until_running()
    service.worker.process.terminate()
    service.wait_until(
        lambda h: [host["stopping"] for host in hosts(service)] == [True], "the host's word"
    )
    assert pending.done().stdout == b"done\n"
    assert service.worker.process.wait(PATIENCE) == 0
    service.start_worker()
    service.assert_nothing_is_left()


def test_a_worker_that_an_operator_drains_gets_no_jobs_until_it_is_resumed(service):
    name = hosts(service)[0]["name"]
    assert service.request("POST", f"/v1/hosts/{name}/drain").status == 204
    pending = Background(lambda: service.run("echo later"))
    service.wait_until(lambda h: h["queued"] == 1, "the job that waits")
    assert service.request("DELETE", f"/v1/hosts/{name}/drain").status == 204
    assert pending.done().stdout == b"later\n"


def test_a_slot_ahead_takes_its_job_early_and_runs_it_after_the_previous_one(start_service):
    one = start_service("--ahead", "1", slots=1)
    one.wait_until(lambda h: h["ready"] == 2, "both slots ask for jobs")
    assert [(host["slots"], host["vms"]) for host in hosts(one)] == [(2, 1)]
    command = "date +%s; sleep 5; date +%s"
    jobs = [Background(lambda: one.run(command)) for _ in range(2)]
    one.wait_until(lambda h: h["running"] == 2, "both jobs are with the host")
    times = sorted([int(second) for second in job.done().stdout.split()] for job in jobs)
    assert times[0][1] <= times[1][0], ("they ran at the same time:", times)
    one.end()


@pytest.mark.only_with("qemu", "other boots are over before they can be disturbed")
def test_a_vm_that_dies_before_it_is_ready_costs_its_waiting_job_only_time(start_service):
    one = start_service("--vmm", "qemu+tcg+boot", slots=1)
    for _ in range(20):
        one.run("true")  # the slot begins to boot its next VM now
        pending = Background(lambda: one.run("cat input", files=[("input", b"all of it")]))
        one.wait_until(
            lambda h: h["running"] == 1 and one.worker.vmms(), "the job waits for its VM"
        )
        for pid in one.worker.vmms():
            processes.kill_hard(pid)
        job = pending.done()
        if "another one is booted" in one.worker.log():
            break  # the VM was not ready yet
    assert (job.status, job.stdout) == ("exited", b"all of it")
    assert "another one is booted" in one.worker.log()
