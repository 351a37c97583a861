# SPDX-License-Identifier: Apache-2.0
"""CPU time and clocks under User Mode Linux."""
import concurrent.futures
import os
import signal
import time

from fixtures import engine
from fixtures.service import Service
from fixtures.waiting import eventually
from uml.guest_processes import kernels
from uml.programs import program

# CPU time is counted from the fork of the process that becomes the program, wall time from its start.
BEFORE_START_MS = 100


def test_a_program_that_computes_uses_user_time(service):
    script = "cp features /tmp/features; chmod +x /tmp/features; exec /tmp/features burn"
    job = service.run(script, files=[("features", program("features"))])
    assert job.stdout == b"burned\n", job
    used = job.usage["user_ms"] + job.usage["system_ms"]
    assert 0.9 * job.usage["wall_ms"] <= used <= job.usage["wall_ms"] + BEFORE_START_MS, job.usage
    assert job.usage["user_ms"] > job.usage["system_ms"], job.usage


def test_a_program_that_sleeps_uses_no_cpu_time(service):
    usage = service.run("sleep 2").usage
    assert usage["user_ms"] + usage["system_ms"] < usage["wall_ms"] / 2, usage


def test_a_program_sees_its_own_cpu_time(service):
    script = "cp features /tmp/features; chmod +x /tmp/features; time /tmp/features burn"
    job = service.run(script, files=[("features", program("features"))])
    times = dict(line.split("\t") for line in job.stderr.decode().splitlines() if "\t" in line)
    assert float(times["user"].split()[1].rstrip("s")) >= 1, job


def test_the_clock_of_a_guest_goes_on_while_its_kernel_is_stopped():
    service = Service(*engine.OPTIONS, slots=1)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            script = "date +%s; cat /proc/uptime; sleep 2; date +%s; cat /proc/uptime"
            running = pool.submit(service.run, script)
            service.wait_until_running()
            stopped = eventually(lambda: kernels(service), "a kernel")
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(5)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            end = time.time()
            job = running.result()
        lines = job.stdout.decode().split("\n")
        assert int(lines[2]) >= int(end) - 1, (lines, end)
        assert int(lines[2]) - int(lines[0]) <= job.usage["wall_ms"] / 1000 + 2
        real, monotonic = int(lines[2]) - int(lines[0]), float(lines[3].split()[0]) - float(lines[1].split()[0])
        assert abs(real - monotonic) <= 1.1, lines
    finally:
        service.end()


def test_a_warm_guest_that_was_stopped_has_the_right_time_for_its_job():
    service = Service(*engine.OPTIONS, slots=1)
    try:
        service.worker.wait_for_log("is warm after")
        for pid in kernels(service):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(5)
        for pid in kernels(service):
            os.kill(pid, signal.SIGCONT)
        before = time.time()
        job = service.run("date +%s")
        assert int(before) <= int(job.stdout) <= time.time(), job
    finally:
        service.end()
