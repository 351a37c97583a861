# SPDX-License-Identifier: Apache-2.0
"""A worker whose best engine does not answer in time when it starts, as on a busy host, and does later."""
import os
import threading

import pytest

from fixtures.paths import TOP
from fixtures.service import Service
from fixtures.waiting import PATIENCE, eventually

BETTER, WORSE = "cloud-hypervisor+kvm+snapshot", "uml+boot"


class Jobs:
    """Jobs one after another, in a thread of their own, until they are stopped."""

    def __init__(self, service):
        self.service, self.done, self.faults = service, 0, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.stopping.is_set():
            try:
                job = self.service.run("sleep 1; echo done")
                assert job.stdout == b"done\n", job
                self.done += 1
            except Exception as fault:  # the test shows it
                self.faults.append(fault)
                return

    def stop(self):
        self.stopping.set()
        self.thread.join(4 * PATIENCE)


@pytest.fixture
def slow_cloud_hypervisor(vmm):
    """The stand-in, which answers no vm.boot while the file `busy` exists: its path, and that of `busy`."""
    busy = os.path.join(os.path.dirname(vmm.standin), "busy")
    program = os.path.join(vmm.folder, "slow-cloud-hypervisor")
    with open(program, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n[ ! -e {busy} ] || export STANDIN_FAULT=hang:vm.boot\n")
        file.write(f'exec {vmm.standin} "$@"\n')
    os.chmod(program, 0o755)
    with open(busy, "wb"):
        os.chmod(busy, 0o644)
    yield program, busy
    os.unlink(program)


def isolation_of(service):
    hosts = service.request("GET", "/v1/hosts").json()["hosts"]
    return [host["isolation"] for host in hosts]


def test_an_engine_that_was_too_slow_is_tried_again_and_then_used(slow_cloud_hypervisor, vmm):
    program, busy = slow_cloud_hypervisor
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]
    options = ["--cloud-hypervisor", program]
    for path in vmm.standin_paths():
        options += ["--vmm-path", path]
    wrapper = [*sudo, os.path.join(TOP, "tests/vmm/pretend-kvm")]
    service = Service(*options, slots=2, wrapper=wrapper)
    try:
        log = service.worker.log()
        assert WORSE in log and f"not {BETTER}" in log, "the worker uses what works"
        assert "a better engine did not answer in time" in log
        assert isolation_of(service) == ["kernel"]
        jobs = Jobs(service)
        eventually(lambda: jobs.done > 0 or jobs.faults, "a job of the worse engine")
        os.unlink(busy)
        eventually(
            lambda: isolation_of(service) == ["hardware"], "the better engine is used", 4 * PATIENCE
        )
        before = jobs.done
        eventually(
            lambda: jobs.done > before + 1 or jobs.faults, "jobs of the better engine", 4 * PATIENCE
        )
        jobs.stop()
        assert not jobs.faults, "no job was lost"
        job = service.run("echo x", isolation="hardware")
        assert job.stdout == b"x\n"
        with open(os.path.join(service.worker.state, "engines"), encoding="utf-8") as file:
            remembered = file.read()
        assert f"engine={BETTER}\n" in remembered and "later=" not in remembered
    except BaseException:
        service.close()
        raise
    service.end()
