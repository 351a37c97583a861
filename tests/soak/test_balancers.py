# SPDX-License-Identifier: Apache-2.0
"""tests/balancers/test_kills.py for a minute, with stand-ins for the hosts and with real ones, and a balancer
that keeps a slot without using it."""
import pytest

from fixtures import engine
from fixtures.balancer_kills import TwoBalancers
from fixtures.shared_host import SharedHost
from fixtures.slot_balancer import SlotBalancer, frame
from fixtures.stand_in_worker import BINARY, Closed
from fixtures.waiting import Background, eventually
from fixtures.worker import Worker

SECONDS = 60


@pytest.fixture
def two():
    balancers = TwoBalancers()
    yield balancers
    balancers.close()


def test_jobs_on_four_quick_hosts_while_a_balancer_is_killed_every_second(two):
    hosts = [SharedHost(f"host{i}", two.addresses) for i in range(4)]
    try:
        two.wait_for_slots(8)
        two.run(SECONDS, "gcc:14")
        for request in two.check():
            ran = sum(host.runs.get(("echo", f"answer-{request.number}"), 0) for host in hosts)
            assert ran == 1, f"job {request.number} ran {ran} times"
        print(two.summary())
    finally:
        for host in hosts:
            host.close()


def test_jobs_in_vms_of_four_workers_while_a_balancer_is_killed_every_second(two):
    first, second = two.urls
    options = ("--server", second, "--ahead", "0", *engine.OPTIONS)
    workers = [Worker(first, *options, "--name", f"host{i}", slots=1) for i in range(4)]
    try:
        for worker in workers:
            worker.start()
        two.wait_for_slots(4)
        two.run(SECONDS, "busybox:1.35")
        two.check()
        print(two.summary())
        for balancer in two.balancers:  # nothing is lost for good
            balancer.wait_for(ready=4, running=0, queued=0)
        for worker in workers:  # a slot offers itself while its next VM boots
            eventually(lambda one=worker: len(one.vmms()) == 1, "each slot has one VM")
    finally:
        for worker in workers:
            worker.close()


def hold_by_silence(slot):
    """Answer pings only, until the connection ends."""
    slot.wait_for("never", timeout=600)


def hold_by_empty_messages(slot):
    """Send bytes of no file without a pause, until the connection ends."""
    messages = frame(BINARY) * 100_000
    slot.sock.settimeout(600)
    try:
        while True:
            slot.sock.sendall(messages)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed() from error


@pytest.mark.parametrize("hold", [hold_by_silence, hold_by_empty_messages])
def test_a_balancer_that_never_sends_all_of_its_job_does_not_keep_the_slot_from_the_other(hold):
    """Its connection does not end by itself."""
    first, second = SlotBalancer(), SlotBalancer()
    worker = Worker(first.url, "--server", second.url, *engine.OPTIONS, "--ahead", "0", slots=1)
    try:
        worker.start()
        other = Background(second.slot)
        one, two = first.slot(), other.done()
        job = {"image": "busybox:1.35", "cmd": ["true"], "timeout_ms": 60000}
        one.send_message(type="job", id="half", job=job, queue_us=0, parts=[])
        two.wait_for("withdraw")
        held = Background(hold, one)
        two.wait_ready("busybox:1.35", 600)
        assert two.start("echo two", watch=False).end().stdout == b"two\n"
        worker.wait_for_log("the balancer has begun a job and does not send its bytes")
        with pytest.raises(Closed):
            held.done()
    finally:
        worker.close()
        first.close()
        second.close()
