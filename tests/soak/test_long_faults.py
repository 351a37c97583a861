# SPDX-License-Identifier: Apache-2.0
"""Faults that last longer than the 15 s of silence after which a connection counts as lost, and slow
links."""
import os
import signal
import time

import pytest

from fixtures import processes
from fixtures.far_service import Puzzle, assert_solved, begin
from fixtures.network import BOTH, DOWN, UP
from fixtures.service import Job
from fixtures.waiting import Background

MIB = 1 << 20
SILENCE_S = 22  # the balancer looks every 5 s


@pytest.mark.parametrize("directions", [BOTH, (DOWN,), (UP,)])
def test_a_job_outlives_a_long_partition_of_its_worker(far, directions):
    lost = far.metric("pe_jobs_lost_total")
    puzzle = Puzzle(1, seconds=1)
    pending = begin(far, puzzle)
    far.near_worker.stall(*directions)
    time.sleep(SILENCE_S)
    # The result passes if only the way to the worker is blocked, if the job had arrived before. Otherwise the
    # job may also have been tried on the second slot, before that counted as lost as well.
    assert UP not in directions or far.metric("pe_jobs_lost_total") in (lost + 1, lost + 2)
    far.near_worker.heal()
    assert_solved(puzzle, pending)


def test_the_job_of_a_slot_that_stands_still_is_run_by_another_slot_and_answered_once(far):
    puzzles = [Puzzle(number, seconds=3) for number in range(far.slots)]
    pending = [Background(far.client.post, job=one.job, files=one.files) for one in puzzles]
    far.wait_until_running(far.slots)
    below = processes.descendants(far.worker.process.pid)
    slot = next(pid for pid in below if processes.command_name(pid) == "pe-slot")
    lost = far.metric("pe_jobs_lost_total")
    os.kill(slot, signal.SIGSTOP)
    try:
        for puzzle, one in zip(puzzles, pending):
            assert_solved(puzzle, one)
        assert far.metric("pe_jobs_lost_total") == lost + 1
    finally:
        os.kill(slot, signal.SIGCONT)


def test_slots_whose_helpers_stand_still_begin_again_with_others(far):
    below = processes.descendants(far.worker.process.pid)
    helpers = [pid for pid in below if processes.command_name(pid) == "pe-slot-helper"]
    assert len(helpers) == far.slots
    for pid in helpers:
        os.kill(pid, signal.SIGSTOP)
    for number in range(far.slots):  # each one has a VM already, but cannot end it
        far.solve(Puzzle(number))
    far.worker.wait_for_log("the helper of this slot has ended or does not answer")
    far.wait_for_full_capacity()
    far.solve(Puzzle(4))
    for pid in helpers:
        os.kill(pid, signal.SIGCONT)
    processes.wait_until_gone(helpers, "helpers whose slots have ended")


def test_a_balancer_that_stands_still_has_its_workers_back_and_answers_its_clients(far):
    puzzle = Puzzle(3, seconds=1)
    pending = begin(far, puzzle)
    balancer = far.balancer.process.pid
    os.kill(balancer, signal.SIGSTOP)
    time.sleep(SILENCE_S)
    os.kill(balancer, signal.SIGCONT)
    assert_solved(puzzle, pending)


def test_a_result_may_take_longer_than_the_job_on_a_slow_link(far):
    """15 MiB at 90 kB/s take 175 s: longer than the time that a worker has beside the job's own."""
    far.near_worker.shape(bytes_per_s=90_000)
    started = time.monotonic()
    script = "dd if=/dev/zero of=/output/zeros bs=1M count=15 2>/dev/null"
    job = Job(far.client.post(job={"image": "busybox:1.35", "cmd": ["sh", "-c", script], "cache": False}))
    assert (job.status, job.files["zeros"]) == ("exited", bytes(15 * MIB))
    assert time.monotonic() - started > 130
