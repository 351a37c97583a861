# SPDX-License-Identifier: Apache-2.0
"""Processes of the service that are killed, or stopped for a while. tests/e2e/test_loss.py kills those
of a worker."""
import http.client
import os
import signal
import time

import pytest

from fixtures import engine, processes
from fixtures.far_service import Puzzle
from fixtures.service import Service
from fixtures.waiting import PATIENCE, Background

PING_SECONDS = 5  # PE_SLOT_PING_MS


def begin(far, puzzle):
    pending = Background(far.client.post, job=puzzle.job, files=puzzle.files)
    far.wait_until_running()
    return pending


def test_a_killed_balancer_costs_its_clients_an_error_and_its_successor_serves_them(far):
    puzzle = Puzzle(1, seconds=1)
    pending = begin(far, puzzle)
    far.balancer.kill()
    with pytest.raises((OSError, http.client.HTTPException)):
        pending.done()
    far.balancer.start()
    far.wait_for_full_capacity()
    far.solve(puzzle)


def test_a_killed_store_helper_costs_only_what_it_would_have_kept(start_balancer, tmp_path):
    balancer = start_balancer("--cache-dir", f"{tmp_path}/results")
    registration, slot = balancer.worker()
    for number in range(3):
        for pid in processes.descendants(balancer.process.pid):
            processes.kill_hard(pid)
        pending = Background(balancer.post, job={"image": "gcc:14", "cmd": [str(number)]})
        slot.answer(slot.take_job()[0], b"out")
        assert pending.done().form()[1][2] == b"out"
    balancer.wait_for_log("the store helper has exited")


def named(far, name):
    below = processes.descendants(far.worker.process.pid)
    return [pid for pid in below if processes.command_name(pid) == name]


def others(far):
    """The children of the worker that are no slots."""
    worker = far.worker.process.pid
    children = [p for p in processes.descendants(worker) if processes.parent_of(p) == worker]
    return [pid for pid in children if processes.command_name(pid) != "pe-slot"]


VICTIMS = {
    "the balancer": lambda far: [far.balancer.process.pid],
    "the worker": lambda far: [far.worker.process.pid],
    "the registration and the template server": lambda far: others(far),
    "every slot": lambda far: named(far, "pe-slot"),
    "every helper of a slot": lambda far: named(far, "pe-slot-helper"),
    "every VMM": lambda far: far.worker.vmms(),
}


@pytest.mark.parametrize("who", VICTIMS)
def test_a_process_that_is_stopped_for_a_moment_costs_only_time(far, who):
    lost = far.metric("pe_jobs_lost_total")
    puzzle = Puzzle(2, seconds=0.5)
    pending = begin(far, puzzle)
    victims = VICTIMS[who](far)
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1)  # longer than the job takes
    for pid in victims:
        os.kill(pid, signal.SIGCONT)
    response = pending.done()
    assert puzzle.is_answered_by(response), (response.status, response.body[:500])
    assert far.metric("pe_jobs_lost_total") == lost


@pytest.fixture
def with_a_spare_slot():
    """A service whose worker has one more slot than it runs jobs (--ahead), so that jobs wait for a permit."""
    service = Service(*engine.OPTIONS, "--ahead", "1", slots=1)
    yield service
    service.close()


def test_a_template_server_that_stands_still_holds_up_neither_jobs_nor_the_end_of_the_worker(
    with_a_spare_slot,
):
    service = with_a_spare_slot
    (server,) = service.worker.named("pe-templates")
    os.kill(server, signal.SIGSTOP)
    assert service.run("echo runs").stdout == b"runs\n"
    service.worker.wait_for_log("the job runs without a permit: the template server does not answer")
    service.worker.process.terminate()
    assert service.worker.process.wait(PATIENCE) == 0


def test_a_whole_service_that_was_suspended_loses_no_connection_and_no_job(far):
    lost = far.metric("pe_jobs_lost_total")
    puzzle = Puzzle(3, seconds=0.5)
    pending = begin(far, puzzle)
    asleep = processes.suspend(far.balancer.process.pid, far.worker.process.pid)
    time.sleep(3.4 * PING_SECONDS)  # a connection that is silent for so long is closed
    processes.resume(asleep)
    response = pending.done()
    assert puzzle.is_answered_by(response), (response.status, response.body[:500])
    assert far.metric("pe_jobs_lost_total") == lost
    log = far.worker.log() + far.balancer.log()
    assert "silent" not in log, log
