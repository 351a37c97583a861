"""Parts of the service that die, or are not there."""
import threading
import time

import service as s
from run import nothing_is_left, test


def in_background(call):
    """Run call() in a thread; returns a function that waits for its outcome."""
    box = {}

    def work():
        try:
            box["outcome"] = call()
        except Exception as error:  # noqa: BLE001: handed to the waiting test
            box["error"] = error
    thread = threading.Thread(target=work)
    thread.start()

    def join():
        thread.join(180)
        if "error" in box:
            raise box["error"]
        return box["outcome"]
    return join


@test("a slot killed with -9 while its job runs: the job is run by another slot")
def _(service):
    outcome = in_background(lambda: service.run("sleep 2; echo done", timeout_ms=20000))
    service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    time.sleep(0.5)
    busy = [pid for pid in s.descendants(service.worker.pid) if s.command_name(pid) == "pe-worker"]
    slots = [pid for pid in busy if any(s.parent_of(vmm) == pid for vmm in service.vmm_pids())]
    vmms = service.vmm_pids()
    for pid in slots:
        s.kill_hard(pid)
    s.check(s.gone(vmms), "VMMs outlived their slots")
    s.check_equal(outcome().stdout, b"done\n")
    nothing_is_left(service)


@test("a VMM killed with -9 while its job runs is answered as vm_error or run again")
def _(service):
    outcome = in_background(lambda: service.run("sleep 2; echo done", timeout_ms=20000))
    service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    time.sleep(0.5)
    for pid in service.vmm_pids():
        s.kill_hard(pid)
    result = outcome()
    s.check(result.status == "vm_error" or result.stdout == b"done\n", result.result)
    nothing_is_left(service)


@test("a warm VM killed with -9 costs the next job nothing but time")
def _(service):
    for number in range(6):
        service.wait_for(lambda h: h["ready"] == service.slots, 30, "the slots")
        for pid in service.vmm_pids():
            s.kill_hard(pid)
        outcome = service.run(f"echo {number}")
        s.check_equal((outcome.status, outcome.stdout), ("exited", f"{number}\n".encode()), outcome.result)
    nothing_is_left(service)


@test("a worker killed with -9 while a job runs takes its VMs along, and its successor runs the job")
def _(service):
    outcome = in_background(lambda: service.run("sleep 2; echo done", timeout_ms=20000))
    service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    time.sleep(0.5)
    everything = s.descendants(service.worker.pid)
    service.worker.kill()
    service.worker.wait()
    s.check(s.gone(everything), "processes outlived their worker:", everything)
    service.start_worker()
    s.check_equal(outcome().stdout, b"done\n")
    nothing_is_left(service)


@test("a worker told to stop finishes its job first")
def _(service):
    outcome = in_background(lambda: service.run("sleep 2; echo done", timeout_ms=20000))
    service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    service.worker.terminate()
    s.check_equal(outcome().stdout, b"done\n")
    s.check_equal(service.worker.wait(20), 0, "exit status of the worker")
    service.start_worker()
    nothing_is_left(service)


@test("a balancer with no worker says so at once")
def _(service):
    lonely = s.Service(slots=0)
    try:
        lonely.start_balancer()
        answer = lonely.post(s.form({"image": "busybox:1.35", "cmd": ["true"]}))
        s.check_equal(answer.status, 503)
        s.check("retry-after" in answer.headers, answer.headers)
        s.check("worker" in answer.problem()["detail"], answer.body)
    finally:
        lonely.stop()


@test("a balancer that is started again gets its workers back")
def _(service):
    service.balancer.kill()
    service.balancer.wait()
    service.start_balancer()
    service.wait_for(lambda h: h["hosts"] == 1 and h["slots"] == service.slots, 20, "the workers")
    nothing_is_left(service)
