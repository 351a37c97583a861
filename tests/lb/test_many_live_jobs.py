# SPDX-License-Identifier: Apache-2.0
"""A thousand jobs that run at the same time, each of them watched by three clients."""
import resource

import pytest

from fixtures.events import LINES, EventStream, kinds, output_of
from fixtures.stand_in_worker import Slot

JOBS, CLIENTS = 1000, 3


@pytest.fixture
def many_files():
    """Enough descriptors for both ends of all connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 16384), max(before[1], 16384)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_thousand_jobs_are_watched_by_three_clients_each(many_files, start_balancer):
    balancer = start_balancer("--queue-jobs", str(JOBS * CLIENTS))
    balancer.register(live=1)
    slots = [Slot(balancer.address, live=1) for _ in range(JOBS)]
    balancer.wait_for(ready=JOBS)
    streams = {}
    for number in range(JOBS):
        job = {"image": "gcc:14", "cmd": [str(number)]}
        streams[number] = [EventStream(balancer, job=job, accept=LINES) for _ in range(CLIENTS)]
    taken = []
    for slot in slots:
        job, _ = slot.take_job()
        assert slot.receive() == {"type": "watch", "id": job["id"]}
        taken.append((slot, job, int(job["job"]["cmd"][0])))
    for round_ in range(3):
        for slot, job, number in taken:
            slot.output(job, ("stdout", f"job {number} round {round_}\n".encode()))
    expected = {n: "".join(f"job {n} round {r}\n" for r in range(3)).encode() for n in streams}
    for number, watching in streams.items():
        for stream in watching:
            stream.wait_for_output(expected[number])
    for slot, job, number in taken:
        slot.answer(job, expected[number] + b"end\n", ready=False)
    for watching in streams.values():
        for stream in watching:
            events = stream.rest()
            assert (output_of(events), kinds(events)) == (b"end\n", ["stdout", "result"])
            stream.close()
