# SPDX-License-Identifier: Apache-2.0
"""Parts of the service that die, or are missing."""
import time

import pytest

from fixtures import processes
from fixtures.waiting import PATIENCE, Background

pytestmark = pytest.mark.each_engine

LONG_JOB = "sleep 3; echo done"


def run_in_background(service):
    """A job that runs long enough to be disturbed."""
    pending = Background(service.run, LONG_JOB)
    service.wait_until_running()
    return pending


def test_a_job_whose_slot_was_killed_is_run_by_another_slot(service):
    pending = run_in_background(service)
    time.sleep(0.5)  # so that the program has begun, on most machines
    vmms = service.worker.vmms()
    for pid in service.worker.slots():
        processes.kill_hard(pid)
    processes.wait_until_gone(vmms, "VMMs whose slots are dead")
    assert pending.done().stdout == b"done\n"
    service.assert_nothing_is_left()


def test_a_job_whose_vmm_was_killed_gets_vm_error_or_is_run_again(service):
    pending = run_in_background(service)
    time.sleep(0.5)
    for pid in service.worker.vmms():
        processes.kill_hard(pid)
    job = pending.done()
    assert job.status == "vm_error" or job.stdout == b"done\n"
    service.assert_nothing_is_left()


def test_a_warm_vm_that_was_killed_costs_the_next_job_only_time(service):
    for number in range(6):
        service.wait_until(lambda health: health["ready"] >= service.slots, "the slots are ready")
        vmms = service.worker.vmms()
        for pid in vmms:
            processes.kill_hard(pid)
        processes.wait_until_gone(vmms, "VMMs that were killed")
        job = service.run(f"echo {number}")
        assert (job.status, job.stdout) == ("exited", f"{number}\n".encode())
    service.assert_nothing_is_left()


def test_vms_of_a_killed_worker_end_and_its_successor_runs_the_job(service):
    pending = run_in_background(service)
    time.sleep(0.5)
    below = processes.descendants(service.worker.process.pid)
    processes.kill(service.worker.process)
    processes.wait_until_gone(below, "processes of a dead worker")
    service.start_worker()
    assert pending.done().stdout == b"done\n"
    service.assert_nothing_is_left()


def test_a_worker_that_is_told_to_stop_finishes_its_job_first(service):
    pending = run_in_background(service)
    service.worker.process.terminate()
    assert pending.done().stdout == b"done\n"
    assert service.worker.process.wait(PATIENCE) == 0
    service.start_worker()
    service.assert_nothing_is_left()


def test_a_balancer_without_a_worker_says_so(start_service):
    service = start_service(slots=0)
    response = service.post(job={"image": "busybox:1.35", "cmd": ["true"]})
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert "worker" in response.problem()["detail"]


def test_a_balancer_that_is_restarted_gets_its_workers_back(service):
    service.balancer.kill()
    service.balancer.start()
    service.wait_until(lambda h: h["hosts"] == 1 and h["slots"] >= service.slots, "the worker")
    service.assert_nothing_is_left()
