# SPDX-License-Identifier: Apache-2.0
"""What only jobs under User Mode Linux have. All other suites run with it as well."""
import concurrent.futures
import os
import signal

from fixtures import engine, processes
from fixtures.image_store import store_with
from fixtures.paths import UML_KERNEL
from fixtures.service import Service
from fixtures.waiting import Background, eventually
from uml.guest_processes import kernels, user_processes, wait_until_one_computes
from uml.programs import program


def test_a_worker_says_that_it_uses_user_mode_linux(service):
    assert "uml+boot (asked for)" in service.worker.log()


def test_the_guests_kernel_is_the_one_that_was_compiled(service):
    release = service.run("uname -r").stdout.decode().strip()
    with open(os.path.join(os.path.dirname(UML_KERNEL), "VERSION"), encoding="ascii") as file:
        assert f"release={release}\n" in file.read()


def cpu_line(text, name):
    (line,) = [line for line in text.splitlines() if line.split("\t")[0] == name][:1]
    return line


def test_a_job_sees_the_processor_of_the_host_and_nothing_else_of_it(service):
    seen = service.run("cat /proc/cpuinfo").stdout.decode()
    with open("/proc/cpuinfo", encoding="ascii") as file:
        host = file.read()
    for name in ("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "bogomips"):
        assert cpu_line(seen, name) == cpu_line(host, name), name
    flags = set(cpu_line(seen, "flags").split()[2:])
    assert {"fpu", "sse2"} <= flags <= set(cpu_line(host, "flags").split()[2:])
    names = {line.split("\t")[0] for line in seen.splitlines()}
    assert not names & {"host", "mode"}, "the name and the kernel of the host"


def test_seccomp_mode_is_an_engine_of_its_own_and_runs_the_same_programs():
    service = Service("--vmm", "uml+boot", "--uml-seccomp", slots=1)
    try:
        assert "uml+boot,seccomp (asked for)" in service.worker.log()
        assert "only the jail of its VM confines it" in service.worker.log()
        for name, arguments, found in (
            ("features", "avx512", b"42\n"),
            ("features", "jit", b"0 wrong\n"),
            ("features", "syscalls", b"1 stops, 200 at getppid, exit code 7\n"),
            ("features", "threads 400", b"all threads ran\n"),
            ("memory", "ahead", b"good\n"),
            ("memory", "random 200", b"good\n"),
        ):
            script = f"cp {name} /tmp/program; chmod +x /tmp/program; exec /tmp/program {arguments}"
            job = service.run(script, files=[(name, program(name))])
            assert (job.exit_code, job.stdout) == (0, found), (name, arguments, job)
            assert job.isolation == "kernel"
        script = "echo 'int main(void) { return 7; }' > /tmp/a.c; gcc /tmp/a.c -o /tmp/a; /tmp/a"
        compiled = service.run(script, image="gcc:14")
        assert compiled.exit_code == 7, compiled
    finally:
        service.end()


def test_a_guest_whose_kernel_fails_is_reported_with_what_its_kernel_said():
    service = Service(*engine.OPTIONS, slots=1)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(service.run, "while :; do :; done")
            for lost in range(1, 4):  # tries of the job
                wait_until_one_computes(service)
                for pid in kernels(service):
                    os.kill(pid, signal.SIGBUS)
                eventually(lambda lost=lost: service.metric("pe_jobs_lost_total") == lost, "the VM is lost")
            job = running.result()
        assert job.status == "vm_error"
        assert "Kernel panic - not syncing: Kernel mode signal 7" in job.reason, job
        service.assert_nothing_is_left()
    finally:
        service.end()


def test_a_job_whose_program_was_killed_from_outside_of_its_guest_is_run_by_another_vm():
    service = Service(*engine.OPTIONS, slots=1)
    try:
        pending = Background(service.run, "i=0; while [ $i -lt 3000000 ]; do i=$((i + 1)); done; echo done")
        wait_until_one_computes(service)
        for pid in user_processes(service):
            processes.kill_hard(pid)
        job = pending.done()
        assert (job.status, job.stdout) == ("exited", b"done\n"), job
        assert service.metric("pe_jobs_lost_total") == 1
        assert "of a program was ended from outside" in service.log()
    finally:
        service.end()


def test_a_vm_that_waits_for_its_job_warms_up_and_stops_when_the_job_arrives(tmp_path):
    endless = ["sh", "-c", "echo spoilt > /tmp/spoilt; while :; do :; done"]
    service = Service(*engine.OPTIONS, store=store_with(str(tmp_path / "endless"), endless), slots=1)
    try:
        service.wait_until(lambda health: health["ready"] == 1, "the VM is ready before it has warmed up")
        wait_until_one_computes(service)
        job = service.run("ls /tmp; ps -o comm | grep -c '^sh$'")
        assert (job.status, job.stdout) == ("exited", b"1\n"), job
    finally:
        service.end()
