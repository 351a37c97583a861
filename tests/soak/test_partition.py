# SPDX-License-Identifier: Apache-2.0
"""A worker whose packets are lost for a while."""
import time

import pytest

from fixtures import engine
from fixtures.balancer import Port
from fixtures.far_namespace import FarNamespace
from fixtures.far_service import Puzzle
from fixtures.service import Service
from fixtures.waiting import Background
from fixtures.worker import Worker


@pytest.fixture(scope="module")
def wire():
    wire = FarNamespace()
    yield wire
    wire.remove()


@pytest.fixture(scope="module")
def service(wire, no_process_is_left):
    """A service whose worker is at the other end of the wire."""
    port = Port()
    listen = ("--listen", f"{wire.address}:{port.number}")
    service = Service(slots=0, balancer_options=listen)
    url = f"http://{wire.address}:{port.number}"
    service.worker = Worker(url, *engine.OPTIONS, wrapper=wire.wrapper)
    service.slots = 2
    try:
        service.start_worker()
        yield service
    finally:
        service.end()
        port.close()


def send(service, number):
    puzzle = Puzzle(number, seconds=1)
    pending = Background(service.post, job=puzzle.job, files=puzzle.files)
    return puzzle, pending


@pytest.mark.parametrize("seconds", [3, 13, 17, 30])
def test_jobs_are_answered_and_all_slots_work_after_every_packet_was_lost_for(service, wire, seconds):
    puzzle, pending = send(service, seconds)
    service.wait_until_running()
    wire.cut()
    time.sleep(seconds)
    wire.mend()
    mended = time.monotonic()
    service.wait_until(
        lambda health: health["hosts"] == 1 and health["slots"] == service.slots, "the worker is back"
    )
    more = [send(service, seconds + 1 + number) for number in range(service.slots)]
    for puzzle, pending in [(puzzle, pending), *more]:
        response = pending.done()
        assert puzzle.is_answered_by(response), (response.status, response.body[:500])
    print(f"answered {time.monotonic() - mended:.1f} s after the wire was mended")
    service.assert_nothing_is_left()
