# SPDX-License-Identifier: Apache-2.0
"""A balancer without room on a disk, without file descriptors, and with little memory."""
import contextlib
import os
import resource
import select

import pytest

from fixtures.http_client import SAME, job_body, job_request
from fixtures.memory_cgroup import MemoryCgroup
from fixtures.small_disk import SmallDisk
from fixtures.stand_in_worker import connect
from fixtures.waiting import Background, eventually

LARGE = 12 << 20  # bytes; a body of more than 4 MiB is kept in a file


@pytest.fixture
def disk():
    disk = SmallDisk(mib=4)
    yield disk
    disk.remove()


def run_job(balancer, slot, stdout, **job):
    pending = Background(balancer.post, job={**SAME, **job})
    slot.answer(slot.take_job()[0], stdout)
    assert pending.done().form()[1][2] == stdout


def test_a_body_for_which_the_disk_has_no_room_costs_its_connection_and_no_descriptor(
    start_balancer, disk
):
    balancer = start_balancer("--spool-dir", disk.path)
    registration, slot = balancer.worker()
    disk.fill()
    before = balancer.settled_fds()
    for _ in range(3):
        with pytest.raises(OSError):
            balancer.post(files=[("large", bytes(LARGE))])
    balancer.wait_for_log("No space left on device")
    balancer.wait_for_fds(before)
    run_job(balancer, slot, b"a small one", cache=False)


def test_a_store_on_a_full_disk_costs_only_its_results(start_balancer, disk):
    balancer = start_balancer("--cache-dir", f"{disk.path}/results")
    registration, slot = balancer.worker()
    run_job(balancer, slot, b"before", cmd=["before"])
    eventually(lambda: knows_after_restart(balancer, b"before", cmd=["before"]), "it is kept")
    registration, slot = balancer.worker()
    disk.fill()
    run_job(balancer, slot, b"lost" * 100000, cmd=["lost"])
    balancer.wait_for_log("No space left on device")
    disk.free()
    run_job(balancer, slot, b"after", cmd=["after"])
    eventually(lambda: knows_after_restart(balancer, b"after", cmd=["after"]), "it is kept")


def knows_after_restart(balancer, stdout, **job):
    """Whether a balancer that starts now has the result of a job. There is no worker to run it."""
    balancer.kill()
    for worker in balancer.workers:
        worker.close()
    balancer.workers.clear()
    balancer.start()
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    connection = balancer.send_job(body=job_body({**SAME, **job}))
    try:
        connection.settimeout(1)
        return stdout in connection.recv(65536)
    except TimeoutError:
        return False
    finally:
        connection.close()
        registration.close()


def test_a_store_whose_disk_was_full_at_the_start_is_opened_later(start_balancer, disk):
    disk.fill()
    balancer = start_balancer("--cache-dir", f"{disk.path}/results")
    registration, slot = balancer.worker()
    balancer.wait_for_log("cannot keep results on disk")
    run_job(balancer, slot, b"not kept", cmd=["not kept"])
    assert "has exited" not in balancer.log()
    disk.free()

    def is_kept(numbers=iter(range(1000))):
        cmd = [str(next(numbers))]
        run_job(balancer, slot, b"kept", cmd=cmd)
        return os.path.exists(f"{disk.path}/results/data.mdb")

    eventually(is_kept, "a result is on disk")


def test_a_balancer_without_descriptors_serves_those_who_are_connected_and_then_all(balancer):
    registration, slot = balancer.worker()
    before, pid = balancer.settled_fds(), balancer.process.pid
    client = connect(balancer.address)
    eventually(lambda: balancer.settled_fds() == before + 1, "it is connected")
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 2, hard))
    idle = [connect(balancer.address) for _ in range(5)]
    balancer.wait_for_log("cannot accept a connection: Too many open files")
    client.sendall(job_request())
    slot.answer(slot.take_job()[0], b"connected")
    got = b""
    while b"connected" not in got:
        got += client.recv(65536)
    pending = Background(balancer.post)
    for sock in [client, *idle]:
        sock.close()
    slot.answer(slot.take_job()[0], b"later")
    assert pending.done().form()[1][2] == b"later"
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    balancer.wait_for_fds(before)


def test_a_balancer_without_memory_ends_and_says_why_and_its_successor_works(balancer):
    """libh2o cannot do without memory. Only requests that are under way lose their connections."""
    balancer.worker()
    pid = balancer.process.pid
    with open(f"/proc/{pid}/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    limits = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (used, limits[1]))
    held = []
    while balancer.process.poll() is None:
        with contextlib.suppress(OSError):  # the balancer may end at any of these steps
            held.append(connect(balancer.address))
            held[-1].sendall(job_request(body=job_body(files=[("f", bytes(3 << 20))])))
    # The second text is that of a sanitized build.
    assert any(text in balancer.log() for text in ("no memory", "Failed to mmap"))
    for sock in held:
        sock.close()
    balancer.start()
    registration, slot = balancer.worker()
    run_job(balancer, slot, b"after")


@pytest.fixture
def limited():
    """A cgroup with 192 MiB of memory. It needs root, and a memory controller in /sys/fs/cgroup."""
    group = MemoryCgroup(192 << 20)
    yield group
    group.remove()


def test_a_balancer_with_little_memory_refuses_jobs_and_is_not_killed(
    monkeypatch, start_balancer, limited
):
    """Its options fit the memory: 32 MiB for jobs that wait, and what 16 requests are sending."""
    # In a sanitized build, ASan would keep 256 MiB of memory that has been freed.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    balancer = start_balancer("--queue-mib", "32", "--cache-mib", "16", "--results-mib", "32")
    balancer.register()  # it has the image, but no slot
    limited.add(balancer.process.pid)
    waiting, body = [], job_body(SAME, [("large", bytes(3 << 20))])
    refused = 0
    while refused < 40:
        clients = [balancer.send_job(body=body) for _ in range(16)]
        ready, _, _ = select.select(clients, [], [], 2)
        for client in ready:
            refused += client.recv(65536).startswith(b"HTTP/1.1 503 ")
            client.close()
        waiting += [client for client in clients if client not in ready]
    assert limited.kills() == 0 and balancer.process.poll() is None
    assert limited.peak() > 32 << 20
    for client in waiting:
        client.close()
    registration, slot = balancer.worker()
    run_job(balancer, slot, b"after", cache=False)
