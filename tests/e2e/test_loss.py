# SPDX-License-Identifier: Apache-2.0
"""Parts of the service that die, or are missing."""
import os
import random
import threading
import time

import pytest

from fixtures import processes
from fixtures.service import Job
from fixtures.waiting import PATIENCE, Background, eventually

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


def test_a_job_whose_vmm_was_killed_is_run_again(service):
    pending = run_in_background(service)
    time.sleep(0.5)
    for pid in service.worker.vmms():
        processes.kill_hard(pid)
    assert pending.done().stdout == b"done\n"
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


class Crowd:
    """Clients that run jobs one after the other, each with input and output of its own."""

    def __init__(self, service, jobs, clients):
        self.service, self.numbers, self.lock = service, iter(range(jobs)), threading.Lock()
        self.answers = []  # number of the job, response
        self.clients = [Background(self.work) for _ in range(clients)]

    def work(self):
        while (number := self.next_number()) is not None:
            job = {
                "image": "busybox:1.35",
                "cache": False,
                "cmd": ["sh", "-c", f"cat input; sleep 0.05; echo {number} >&2; exit {number % 7}"],
                "timeout_ms": 60000,
            }
            content = f"input of job {number}".encode()
            self.answers.append((number, self.service.post(job=job, files=[("input", content)])))

    def next_number(self):
        with self.lock:
            return next(self.numbers, None)

    def is_busy(self):
        return any(client.is_running() for client in self.clients)


def is_right(number, response):
    if response.status != 200:
        return False
    job = Job(response)
    got = job.status, job.fields["exit_code"], job.stdout, job.stderr
    return got == ("exited", number % 7, f"input of job {number}".encode(), f"{number}\n".encode())


def victims(service):
    """All processes below the worker, with those in which a User Mode Linux kernel runs its programs."""
    return sorted(processes.descendants(service.worker.process.pid))


@pytest.mark.only_with("uml", "under emulation 300 jobs between kills take longer than a suite may")
def test_every_job_is_answered_correctly_unless_it_lost_three_vms_while_anything_is_killed(service):
    """Twice a second, or on a slow machine whenever a job has been answered, a process below the
    worker is killed: a slot, the registration, the template server, or a VMM."""
    seed = int(os.environ.get("PE_SEED", time.time_ns() % 10**6))
    crowd, chance, killed = Crowd(service, jobs=300, clients=4), random.Random(seed), []
    while crowd.is_busy():
        answered = len(crowd.answers)
        if found := victims(service):
            killed.append(chance.choice(found))
            processes.kill_hard(killed[-1])
        time.sleep(0.5)
        eventually(
            lambda: len(crowd.answers) > answered or not crowd.is_busy(), "another job is answered"
        )
    for client in crowd.clients:
        client.done()
    log = service.balancer.log()
    wrong, given_up, retried = [], 0, 0
    for number, response in crowd.answers:
        request = response.headers["X-Request-Id"]
        losses = [line for line in log.splitlines() if request in line and "job lost its" in line]
        retried += len(losses) in (1, 2)
        if is_right(number, response):
            continue
        said = Job(response).fields if response.status == 200 else response.problem()
        given_up += 1
        if len(losses) != 3 or said["status"] not in ("vm_error", 504):
            wrong.append((number, said, losses))
    print(f"seed {seed}, {len(killed)} kills, {retried} jobs saved, {given_up} lost three VMs")
    assert sorted(number for number, _ in crowd.answers) == list(range(300))
    assert not wrong, f"seed {seed}:\n" + "\n".join(map(str, wrong))
    service.assert_nothing_is_left()
