# SPDX-License-Identifier: Apache-2.0
"""Programs that want something special of a kernel, under User Mode Linux."""
import pytest

from fixtures.programs_32_bit import ELF32
from uml.programs import program


def test_a_32_bit_program_is_refused_with_the_cause(service):
    for script in ("/tmp/program", "exec /tmp/program", "sh -c /tmp/program"):
        job = service.run(f"cp program /tmp/program; chmod +x /tmp/program; {script}", files=[("program", ELF32)])
        assert (job.status, job.exit_code) == ("exited", 126), job
        assert b"pe: '/tmp/program' is a 32-bit program, which the kernel of this VM cannot run\n" in job.stderr


def feature(service, *arguments):
    """A job that runs tests/uml/features.c."""
    script = 'cp features /tmp/features && chmod +x /tmp/features && exec /tmp/features "$@"'
    return service.run(["sh", "-c", script, "sh", *arguments], files=[("features", program("features"))])


FEATURES = {
    "a program traces the system calls of another": ("syscalls", "1 stops, 200 at getppid, exit code 7"),
    "a program steps through another and changes its memory": ("steps", "1 steps, exit code 42"),
    "a program calls the vsyscall page": ("vsyscall", "time differs by 0"),
    "registers of AVX-512 stay over a system call": ("avx512", "42"),
    "tiles of AMX are refused": ("amx", "refused"),
    "huge pages are refused, and advice to use them is harmless": (
        "huge",
        "MAP_HUGETLB refused, MADV_HUGEPAGE harmless, memory works: 1",
    ),
    "a program changes what it executes": ("jit", "0 wrong"),
    "a 64-bit program makes a 32-bit system call": ("int80", "signal 11, SI_KERNEL: 1"),
}


@pytest.mark.parametrize("arguments, found", FEATURES.values(), ids=FEATURES.keys())
def test_a_program_that_wants_something_special(service, arguments, found):
    job = feature(service, arguments)
    assert (job.status, job.exit_code, job.stdout.decode()) == ("exited", 0, found + "\n"), job


def test_as_many_threads_run_as_a_job_may_have(service):
    assert feature(service, "threads", "480").stdout == b"all threads ran\n"
    too_many = feature(service, "threads", "10000")
    assert b"Resource temporarily unavailable" in too_many.stdout, too_many


def test_10000_threads_run_where_the_memory_and_the_limit_of_processes_allow_it(guest):
    with guest.boot(memory="2G") as vm:
        files = {"features": program("features")}
        result = vm.run(["/work/features", "threads", "10000"], files=files, pids=11000, memory_mib=1792)
    assert result.stdout == b"all threads ran\n", result
