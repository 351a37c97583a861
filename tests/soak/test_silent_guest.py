# SPDX-License-Identifier: Apache-2.0
"""A guest that says nothing any more, as one that was taken over can do."""
import os
import signal
import time

from fixtures.waiting import Background, eventually

GRACE_S = 30  # GUEST_GRACE_MS in worker/job_run.c
READY_S = 90  # MACHINE_READY_MS in worker/job/machine.h


def stop_a_vm_that_starts(worker):
    """Stop the VMM of a guest that is not ready yet. One that is faster is killed, and the next one
    is tried."""
    while True:
        vmms = eventually(worker.vmms, "a VM starts")
        for pid in vmms:
            os.kill(pid, signal.SIGSTOP)
        warm = worker.log().count("is warm after")
        lost = worker.log().count("is lost")
        time.sleep(1)  # for a line that was under way
        if warm == lost == worker.log().count("is warm after"):
            return vmms
        for pid in vmms:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: worker.log().count("is lost") > lost, "the slot has seen it")


def test_a_guest_that_is_silent_is_killed_30_s_after_the_time_of_its_job(start_service):
    service = start_service(slots=1)
    service.worker.wait_for_log("is warm after")
    started = time.monotonic()
    pending = Background(service.run, "sleep 1000", timeout_ms=5000)
    service.wait_until_running()
    vmms = service.worker.vmms()
    for pid in vmms:
        os.kill(pid, signal.SIGSTOP)
    job = pending.done()
    assert (job.status, job.reason) == ("vm_error", "the guest did not send 'done' in time"), job
    assert time.monotonic() - started >= GRACE_S
    eventually(lambda: not set(vmms) & set(service.worker.vmms()), "the VM is gone")
    service.assert_nothing_is_left()


def test_a_vm_that_does_not_become_ready_is_replaced_after_90_s(start_service):
    service = start_service(slots=1)
    vmms = stop_a_vm_that_starts(service.worker)
    started = time.monotonic()
    service.worker.wait_for_log("did not become ready within 90 s")
    assert time.monotonic() - started >= READY_S - 10
    eventually(lambda: not set(vmms) & set(service.worker.vmms()), "the VM is gone")
    assert service.run("echo next").stdout == b"next\n"
    service.assert_nothing_is_left()


def test_a_job_whose_vm_does_not_become_ready_gets_another_one_after_90_s(start_service):
    service = start_service(slots=1)
    vmms = stop_a_vm_that_starts(service.worker)
    pending = Background(service.run, "echo out")
    service.worker.wait_for_log("another one is booted: the guest did not send 'ready' in time")
    job = pending.done()
    assert (job.status, job.stdout) == ("exited", b"out\n"), job
    assert not set(vmms) & set(service.worker.vmms())
    service.assert_nothing_is_left()
