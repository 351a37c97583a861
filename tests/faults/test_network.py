# SPDX-License-Identifier: Apache-2.0
"""Bad networks between clients, the balancer and a worker. fixtures/network.py says how they are made.

Each job has an answer of its own. A client gets it, or an error that says that it did not."""
import http.client
import time

import pytest

from fixtures.far_service import Puzzle, assert_solved, begin
from fixtures.network import DOWN, UP
from fixtures.waiting import Background

MIB = 1 << 20


def test_jobs_pass_networks_with_delay_and_loss(far):
    for network in far.near_worker, far.near_client:
        network.shape(delay_s=0.05, jitter_s=0.1, loss=0.1)
    solvers = [Background(far.solve, Puzzle(number)) for number in range(6)]
    for solver in solvers:
        solver.done()


def test_large_files_pass_slow_links(far):
    for network in far.near_worker, far.near_client:
        network.shape(bytes_per_s=2 * MIB)
    far.solve(Puzzle(1, size=2 * MIB))


@pytest.mark.parametrize("reset", [True, False])
def test_a_job_is_run_again_when_the_connections_of_its_worker_are_cut(far, reset):
    puzzle = Puzzle(2, seconds=1)
    pending = begin(far, puzzle)
    assert far.near_worker.cut(reset) >= 1 + far.slots
    assert_solved(puzzle, pending)


def test_a_job_is_run_again_when_its_worker_is_cut_off_in_the_middle_of_its_files(far):
    lost = far.metric("pe_jobs_lost_total")
    far.near_worker.cut_after(DOWN, MIB)
    far.solve(Puzzle(3, size=2 * MIB))
    assert far.metric("pe_jobs_lost_total") == lost + 1


def test_a_response_that_has_begun_is_cut_off_when_the_worker_is_cut_off_in_the_middle_of_it(far):
    puzzle = Puzzle(4, size=2 * MIB)
    far.near_worker.cut_after(UP, MIB)
    with pytest.raises(http.client.IncompleteRead):
        far.solve(puzzle)
    far.solve(puzzle)


def test_a_client_that_is_cut_off_gets_an_error_and_can_ask_again(far):
    puzzle = Puzzle(4, size=2 * MIB)
    for direction in UP, DOWN:
        far.near_client.cut_after(direction, MIB)
        with pytest.raises((OSError, http.client.HTTPException)):
            far.solve(puzzle)
        far.wait_until(lambda health: health["queued"] == health["running"] == 0, "it is canceled")
    far.solve(puzzle)


def test_a_job_survives_a_short_partition_of_its_worker_and_is_run_once(far):
    lost = far.metric("pe_jobs_lost_total")
    puzzle = Puzzle(5, seconds=1)
    pending = begin(far, puzzle)
    far.near_worker.partition()
    time.sleep(2)
    assert pending.is_running()
    far.near_worker.heal()
    assert_solved(puzzle, pending)
    assert far.metric("pe_jobs_lost_total") == lost


@pytest.mark.parametrize("direction", [DOWN, UP])
def test_a_client_waits_through_a_partition_for_its_answer(far, direction):
    puzzle = Puzzle(6, seconds=1)
    pending = begin(far, puzzle)
    far.near_client.stall(direction)
    far.wait_until(lambda health: health["running"] == 0, "the job has ended")
    far.near_client.heal()
    assert_solved(puzzle, pending)
