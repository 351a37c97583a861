# SPDX-License-Identifier: Apache-2.0
"""Jobs through the balancer and a worker, whose VMs are of User Mode Linux."""
import signal

from fixtures import processes
from fixtures.service import Service
from fixtures.worker import UML

HELLO = b'#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def test_a_worker_says_which_engine_it_uses(service):
    assert "uml+boot (asked for)" in service.worker.log()


def test_a_job_has_its_own_guest_kernel(service):
    job = service.run("uname -r; cat /proc/sys/kernel/random/boot_id")
    other = service.run("uname -r; cat /proc/sys/kernel/random/boot_id")
    assert job.stdout.split()[0].endswith(b"-pe")
    assert job.stdout.split()[1] != other.stdout.split()[1]


def test_a_job_reads_files_and_returns_output_exit_code_and_both_streams(service):
    script = "cat /work/input; echo problem >&2; head -c 3000000 /dev/zero > /output/zeros; exit 7"
    job = service.run(script, files=[("input", b"in\n")], outputs=["zeros"])
    assert (job.exit_code, job.stdout, job.stderr) == (7, b"in\n", b"problem\n")
    assert job.files == {"zeros": bytes(3000000)}


def test_a_job_is_ended_at_its_time_limit(service):
    assert service.run("sleep 60", timeout_ms=1000).status == "timeout"
    assert service.run("while :; do :; done", timeout_ms=1000).status == "timeout"
    service.assert_nothing_is_left()


def test_gcc_compiles_and_python_computes(service):
    compiled = service.run("gcc main.c -o /tmp/a && /tmp/a", image="gcc:14", files=[("main.c", HELLO)])
    assert compiled.stdout == b"hello\n", compiled
    computed = service.run(["python3", "-c", "print(sum(range(10**6)))"], image="python:3")
    assert computed.stdout == b"499999500000\n", computed


def test_nothing_is_left_of_a_worker_that_is_killed():
    service = Service(*UML, slots=1)
    try:
        service.run("true")
        below = processes.descendants(service.worker.process.pid)
        service.worker.process.send_signal(signal.SIGKILL)
        processes.wait_until_gone(below, "processes below the worker")
    finally:
        service.close()
