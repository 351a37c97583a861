"""A worker host as a whole: what it says of itself, how it ends, how many jobs it takes."""
import contextlib
import os
import re
import signal
import time

import service as s
from loss_test import in_background
from run import nothing_is_left, test


@contextlib.contextmanager
def own_service(**options):
    """A service beside the one of the other tests, whose VMs would only be in the way."""
    service = s.Service(**options)
    try:
        yield service.start()
    finally:
        service.stop()


def hosts(service):
    return service.request("GET", "/v1/hosts").json()["hosts"]


@test("one id stands in the answer and in both logs")
def _(service):
    answer = service.post(s.form({"image": "busybox:1.35", "cmd": ["true"], "cache": False}))
    request = answer.headers["x-request-id"]
    programs, deadline = set(), time.monotonic() + 5  # the balancer answers first, and then writes its log
    while programs != {"pe-lb", "pe-worker"} and time.monotonic() < deadline:
        lines = [line for line in service.read_log().splitlines() if f"request={request} " in line]
        programs = {re.search(r"prog=(\S+)", line).group(1) for line in lines}
        time.sleep(0.01)
    s.check_equal(sorted(programs), ["pe-lb", "pe-worker"], lines)


@test("a host that was told to stop says so, gets no more jobs, and ends when its job has")
def _(service):
    outcome = in_background(lambda: service.run("sleep 3; echo done", timeout_ms=20000))
    service.wait_for(lambda h: h["running"] == 1, 10, "the job")
    service.worker.terminate()
    service.wait_for(lambda h: [host["stopping"] for host in hosts(service)] == [True], 2, "the host's word")
    s.check_equal(outcome().stdout, b"done\n")
    s.check_equal(service.worker.wait(20), 0, "exit status of the worker")
    service.start_worker()
    nothing_is_left(service)


@test("a host that an operator drains is passed over until it is taken back")
def _(service):
    name = hosts(service)[0]["name"]
    s.check_equal(service.request("POST", f"/v1/hosts/{name}/drain").status, 204)
    outcome = in_background(lambda: service.run("echo later"))
    service.wait_for(lambda h: h["queued"] == 1, 10, "the job that waits")
    s.check_equal(service.request("DELETE", f"/v1/hosts/{name}/drain").status, 204)
    s.check_equal(outcome().stdout, b"later\n")


@test("a slot ahead takes its job early, and runs it when the one before has ended")
def _(service):
    with own_service(slots=1, worker_args=["--ahead", "1"]) as one:
        s.check_equal([(host["slots"], host["vms"]) for host in hosts(one)], [(2, 1)])
        command = "date +%s; sleep 2; date +%s"
        outcomes = [in_background(lambda: one.run(command, timeout_ms=20000)) for _ in range(2)]
        one.wait_for(lambda h: h["running"] == 2, 20, "both jobs are with the host")
        times = sorted([int(word) for word in outcome().stdout.split()] for outcome in outcomes)
        s.check(times[0][1] <= times[1][0], "they ran at the same time:", times)


@test("a VM that dies before it is ready costs its waiting job nothing but time")
def _(service):
    with own_service(slots=1, worker_args=["--vmm", "qemu+tcg+boot"]) as one:
        one.run("true")  # the slot begins to boot its next VM now
        outcome = in_background(lambda: one.run("cat input", files=[("input", b"all of it")]))
        one.wait_for(lambda h: h["running"] == 1 and one.vmm_pids(), 30, "the job that waits for the VM")
        for pid in one.vmm_pids():
            os.kill(pid, signal.SIGKILL)
        result = outcome()
        s.check_equal((result.status, result.stdout), ("exited", b"all of it"))
        s.check("another one is booted" in one.read_log(), "the VM was ready too soon for this test")
