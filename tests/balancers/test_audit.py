# SPDX-License-Identifier: Apache-2.0
"""Audits with real workers: what honest hosts answer is the same. tests/lb/test_audit.py has those that lie."""
import pytest

from fixtures import engine
from fixtures.balancer import Balancer
from fixtures.waiting import eventually
from fixtures.worker import Worker

SCRIPT = """
echo out; echo err >&2; cat /proc/uptime >/dev/null
mkdir /output/d; seq 100 >/output/d/f; chmod 640 /output/d/f; ln -s f /output/left-out
exit 3
"""


@pytest.fixture
def balancer():
    balancer = Balancer("--audit", "100%", unix=False)
    workers = [
        Worker(balancer.url, *engine.OPTIONS, "--ahead", "0", "--name", f"host{i}", slots=1)
        for i in range(2)
    ]
    try:
        for worker in workers:
            worker.start()
        balancer.wait_for(hosts=2, ready=2)
        yield balancer
    finally:
        for worker in workers:
            worker.close()
        balancer.close()


@pytest.mark.parametrize(
    "script, status", [(SCRIPT, "exited"), ("echo before; kill -SEGV $$", "signaled")]
)
def test_two_workers_give_the_same_answer(balancer, script, status):
    job = {"image": "busybox:1.35", "cmd": ["sh", "-c", script], "timeout_ms": 60000}
    answer = balancer.post(job=job, accept="application/json").json()
    assert answer["status"] == status

    def found():
        names = "same", "unstable", "suspicious", "undecided", "abandoned"
        counts = {name: balancer.metric(f'pe_audits_total{{outcome="{name}"}}') for name in names}
        return {name for name, count in counts.items() if count}

    assert eventually(found, "the audit is over") == {"same"}, balancer.log()
