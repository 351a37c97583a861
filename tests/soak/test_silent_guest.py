# SPDX-License-Identifier: Apache-2.0
"""A guest that says nothing any more, as one that was taken over can do."""
import os
import signal
import time

from fixtures.waiting import Background, eventually

GRACE_S = 30  # GUEST_GRACE_MS in worker/job_run.c


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
    assert (job.status, job.reason) == ("vm_error", "the guest did not answer in time"), job
    assert time.monotonic() - started >= GRACE_S
    eventually(lambda: not set(vmms) & set(service.worker.vmms()), "the VM is gone")
    service.assert_nothing_is_left()
