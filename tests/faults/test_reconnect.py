# SPDX-License-Identifier: Apache-2.0
"""A worker on spare hardware loses its balancer in the ways of such a host: its proxy is restarted, the machine
sleeps, or it comes to another network. It connects again by itself, and runs jobs."""
import time

import pytest

from fixtures import engine, processes
from fixtures.balancer import Port
from fixtures.connect_proxy import ConnectProxy
from fixtures.far_namespace import FarNamespace
from fixtures.service import Service
from fixtures.spare_host import SpareHost
from fixtures.waiting import eventually
from fixtures.wall_clock import WallClock
from fixtures.worker import Worker
from fixtures.worker_status import status

NIGHT_S = 9 * 3600


def is_lost(service):
    service.wait_until(lambda health: health["hosts"] == 0, "the balancer has lost the worker")


def is_back(service):
    service.wait_until(
        lambda health: health["hosts"] == 1 and health["slots"] == service.slots, "it is back"
    )


def balancer_of(worker):
    (balancer,) = status(worker)["balancers"]
    return balancer


def test_a_worker_behind_a_proxy_that_is_restarted_connects_again(tmp_path):
    proxy = ConnectProxy()
    host = SpareHost(tmp_path, "--proxy", proxy.url)
    try:
        host.begin()
        assert host.run("echo before").stdout == b"before\n"
        proxy.close()
        is_lost(host)
        eventually(lambda: balancer_of(host.worker)["state"] == "away", "the status says it")
        eventually(
            lambda: str(proxy.port) in balancer_of(host.worker)["last_problem"]["text"],
            "it names the proxy",
        )
        time.sleep(3)  # so many attempts
        proxy = ConnectProxy(port=proxy.port)
        is_back(host)
        processes_that_connect = 2  # the registration and the slot
        assert host.worker.log().count("cannot connect to the balancer") <= processes_that_connect
        assert host.run("echo after").stdout == b"after\n"
        assert len(proxy.targets) >= 2, "registration and slot came through the new proxy"
    finally:
        host.close()
        proxy.close()


def test_a_worker_whose_machine_slept_connects_again(tmp_path, monkeypatch):
    clock = WallClock(str(tmp_path))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    host = SpareHost(tmp_path)
    try:
        host.begin()
        asleep = processes.suspend(host.worker.process.pid)
        is_lost(host)
        clock.set(NIGHT_S)
        processes.resume(asleep)
        is_back(host)
        assert host.run("echo good morning").stdout == b"good morning\n"
    finally:
        host.close()


@pytest.fixture
def wire():
    wire = FarNamespace()
    yield wire
    wire.remove()


def test_a_worker_that_comes_to_another_network_connects_again(wire):
    port = Port()
    service = Service(slots=0, balancer_options=("--listen", f"{wire.address}:{port.number}"))
    url = f"http://{wire.address}:{port.number}"
    service.worker = Worker(url, *engine.OPTIONS, "--ahead", "0", slots=1, wrapper=wire.wrapper)
    service.slots = 1
    try:
        service.start_worker()
        assert service.run("echo home").stdout == b"home\n"
        wire.move()
        # The balancer may still have the old connections when the new ones come.
        service.worker.wait_for_log("the balancer fell silent")
        eventually(lambda: balancer_of(service.worker)["state"] == "connected", "it is back")
        assert service.run("echo elsewhere").stdout == b"elsewhere\n"
    finally:
        service.end()
        port.close()
