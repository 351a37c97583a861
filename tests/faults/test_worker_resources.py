# SPDX-License-Identifier: Apache-2.0
"""A worker without room on its disks, and without file descriptors."""
import resource

import pytest

from fixtures import engine, processes
from fixtures.far_service import Puzzle
from fixtures.service import Job, Service
from fixtures.small_disk import SmallDisk
from fixtures.waiting import eventually
from fixtures.worker import Worker


@pytest.fixture
def disk():
    disk = SmallDisk(mib=8)
    yield disk
    disk.remove()


def solve(service, number):
    puzzle = Puzzle(number)
    response = service.post(job=puzzle.job, files=puzzle.files)
    assert puzzle.is_answered_by(response), (response.status, response.body[:500])


@pytest.mark.parametrize("option", ["--state", "--run-dir"])
def test_a_worker_whose_disk_is_full_runs_jobs(start_service, disk, option):
    disk.fill()
    service = start_service(option, disk.path)
    for number in range(3):
        solve(service, number)


class ScarceWorker(Worker):
    """A worker that may have so many open files."""

    def __init__(self, url, files):
        limited = ("sh", "-c", f'ulimit -S -n {files}; exec "$@"', "sh")
        super().__init__(url, *engine.OPTIONS, wrapper=limited)


def worker_that_just_starts(service):
    """A worker that may have few more files open than it needs to start."""
    for files in range(64, 256, 2):
        worker = ScarceWorker(service.url, files)
        worker.start()
        eventually(
            lambda: worker.process.poll() is not None or service.health()["slots"] == service.slots,
            "it has ended or is connected",
        )
        if worker.process.poll() is None:
            return worker
        assert "Too many open files" in worker.log() or "Invalid argument" in worker.log()
        worker.close()
    raise AssertionError("no worker starts")


def test_a_worker_without_descriptors_says_so_and_works_again_when_it_has_some():
    service = Service(*engine.OPTIONS, slots=0)
    try:
        service.slots = 2
        service.worker = worker_that_just_starts(service)
        puzzle = Puzzle(1)
        response = service.post(job=puzzle.job, files=puzzle.files)
        if not puzzle.is_answered_by(response):
            job = Job(response)
            assert (job.status, job.exit_code) == ("vm_error", None)
            assert "Too many open files" in service.worker.log()
        supervisor = service.worker.process.pid
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (1024, 1024))
        for pid in processes.descendants(supervisor):
            processes.kill_hard(pid)
        service.wait_until(lambda health: health["ready"] == 2, "its slots are back")
        for number in range(3):
            solve(service, number)
        service.assert_nothing_is_left()
    finally:
        service.close()
