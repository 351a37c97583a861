# SPDX-License-Identifier: Apache-2.0
"""Memory under User Mode Linux: scattered pages, pages that are brought ahead, and limits. Each run of pages
is a mapping of the host, and a host refuses more than vm.max_map_count of them."""
import concurrent.futures
import contextlib
import resource
import time

from fixtures import engine, processes
from fixtures.service import Service
from fixtures.waiting import eventually
from uml.guest_processes import user_processes, wait_until_one_computes
from uml.programs import program


def run(service, *arguments, **settings):
    """A job that runs tests/uml/memory.c."""
    # The files of a job are not executable.
    script = 'cp memory /tmp/memory && chmod +x /tmp/memory && exec /tmp/memory "$@"'
    return service.run(["sh", "-c", script, "sh", *arguments], files=[("memory", program("memory"))], **settings)


def memory_kib(pid):
    """Its own memory, and its part of what it shares. A process that has ended has none."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def refuse_memory(service):
    """Let the host refuse more memory to the processes of guests, not to the guests' kernels."""
    for pid in user_processes(service):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))


def test_the_worker_says_how_many_mappings_the_host_allows(service):
    with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
        allowed = int(file.read())
    assert allowed >= 1048576 or "sysctl -w vm.max_map_count" in service.worker.log()


def test_900_MiB_in_random_order(service):
    job = run(service, "random", "900")
    assert (job.status, job.exit_code, job.stdout) == ("exited", 0, b"good\n"), job.fields


def test_pages_are_brought_ahead_beside_those_in_use_and_only_in_private_memory(service):
    job = run(service, "ahead")
    assert (job.status, job.exit_code, job.stdout) == ("exited", 0, b"good\n"), job.stdout


def test_pages_of_the_image_are_copied_ahead_and_those_of_files_that_can_change_are_not(service):
    job = run(service, "copies")
    assert (job.status, job.exit_code, job.stdout) == ("exited", 0, b"good\n"), job.stdout


def test_a_program_that_reads_more_zeroes_than_there_is_memory_is_not_killed(small_service):
    job = run(small_service, "read-zeroes", "400")
    assert (job.status, job.exit_code, job.stdout) == ("exited", 0, b"good\n"), job.fields


def test_a_program_is_not_killed_for_pages_that_were_brought_ahead(small_service):
    for action in ("pairs", "pairs-beside-another"):
        job = run(small_service, action, "230")
        assert (job.status, job.exit_code) == ("exited", 0), (action, job.fields)
        job = run(small_service, action, "260")
        assert job.status == "oom", (action, job.fields)


def test_a_program_that_fills_its_memory_with_zeroes_is_reported_as_oom(small_service):
    job = run(small_service, "zeroes")
    assert job.status == "oom", job.fields


def test_a_system_call_that_finds_no_memory_for_a_page_writes_to_no_other_page(service):
    script = "cp memory /tmp/memory && chmod +x /tmp/memory && exec /tmp/memory in-system-calls 24"
    stage = {"cmd": ["sh", "-c", script], "memory_mib": 40, "timeout_ms": 60000}
    job = service.run(files=[("memory", program("memory"))], stages=[stage])
    assert job.status == "exited", job.fields
    (report,) = job.fields["stages"]
    assert (report["status"], report["stdout"]) == ("ok", "good\n"), report


def test_a_process_that_the_host_refuses_memory_is_reported_with_the_cause():
    # Limits of processes of another user can only be changed with a capability that this test may not have.
    service = Service(*engine.OPTIONS, "--vmm-user", "root", slots=1)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            running = pool.submit(run, service, "slowly")
            wait_until_one_computes(service)
            refuse_memory(service)
            job = running.result()
        assert (job.status, job.exit_code) == ("vm_error", None), job.fields
        assert "vm.max_map_count" in job.fields["reason"]
    finally:
        service.end()


def test_memory_that_was_never_used_counts_as_free_and_costs_the_host_nothing():
    """The kernel initialises its memory when it is first needed, 64 bytes for each page of 4 KiB."""
    service = Service(*engine.OPTIONS, slots=1)
    try:
        sizes = service.run("cat /proc/meminfo").stdout.decode().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in sizes}
        assert sizes["MemTotal"] > 1100 << 10, sizes
        assert sizes["MemFree"] > 1000 << 10 and sizes["MemAvailable"] > 1000 << 10, sizes
        vmms = eventually(service.worker.vmms, "the next VM")
        time.sleep(2)  # until it is warm; memory only grows
        used = sum(memory_kib(pid) for vmm in vmms for pid in (vmm, *processes.descendants(vmm)))
        assert vmms and used < 30 << 10, used  # the page array alone would be 19 MiB more
    finally:
        service.end()
