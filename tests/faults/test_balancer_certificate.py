# SPDX-License-Identifier: Apache-2.0
"""A worker whose balancer has a certificate that is not right, or seems so because of a clock: it says what to
do once, tells the balancer nothing, and connects by itself when it is right."""
import pytest

from fixtures import engine
from fixtures.balancer import Port
from fixtures.certificates import make_certificate
from fixtures.service import Service
from fixtures.waiting import eventually
from fixtures.wall_clock import WallClock
from fixtures.worker import Worker
from fixtures.worker_status import status

YEAR = 366 * 86400


@pytest.fixture
def place(tmp_path):
    """A function that makes a service whose worker finds the balancer at this name, with TLS."""
    port, services = Port(), []
    certificate, key = f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem"
    make_certificate("localhost", certificate, key)
    listen = ("--listen-tls", f"127.0.0.1:{port.number}", "--tls-cert", certificate, "--tls-key", key)

    def make(name, *options):
        service = Service(slots=0, balancer_options=listen)
        url = f"https://{name}:{port.number}"
        service.worker = Worker(
            url, *engine.OPTIONS, "--ahead", "0", *options, slots=1
        )
        service.slots = 1
        services.append(service)
        return service

    make.trust = ("--ca", certificate)
    yield make
    for service in services:
        service.close()
    port.close()


def refusal(worker):
    """What the worker says of its balancer, which it does not use."""
    worker.start()
    eventually(lambda: "balancers" in said(worker), "it answers", 300)
    eventually(lambda: said(worker)["balancers"][0]["state"] == "refused", "it says so", 60)
    return said(worker)["balancers"][0]["last_problem"]["text"]


def said(worker):
    try:
        return status(worker)
    except AssertionError:
        return {}


def test_a_certificate_for_another_name_is_refused_with_what_to_do(place):
    service = place("127.0.0.1", *place.trust)
    text = refusal(service.worker)
    assert "is for another name, so this may be another server" in text
    assert service.health()["hosts"] == 0
    assert service.worker.log().count("is for another name") == 1


def test_a_certificate_that_nobody_trusts_is_refused_with_what_to_do(place):
    service = place("localhost")
    refusal(service.worker)
    assert "not signed by anybody whom this host trusts" in service.worker.log()
    assert "--ca FILE" in service.worker.log()
    assert service.health()["hosts"] == 0


@pytest.mark.parametrize("seconds, when", [(-YEAR, "not valid yet"), (YEAR, "not valid any more")])
def test_a_worker_whose_clock_is_wrong_says_so_and_connects_when_it_is_right(
    place, tmp_path, monkeypatch, seconds, when
):
    clock = WallClock(str(tmp_path))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    service = place("localhost", *place.trust)
    clock.set(seconds)
    refusal(service.worker)
    log = service.worker.log()
    assert f"{when} by the clock of this host" in log and "timedatectl set-ntp true" in log
    assert service.health()["hosts"] == 0
    clock.set(0)
    service.wait_until(
        lambda health: health["hosts"] == 1 and health["slots"] == 1, "it connects by itself"
    )
    assert service.run("echo on time").stdout == b"on time\n"
