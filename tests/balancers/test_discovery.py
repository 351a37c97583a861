# SPDX-License-Identifier: Apache-2.0
"""A worker that finds its balancers by the SRV records of a service (RFC 2782), with a real name server."""
import pytest

from fixtures import engine
from fixtures.name_server import SRV, NameServer
from fixtures.slot_balancer import SlotBalancer
from fixtures.worker import Worker

SERVICE = "_pe-worker._tcp.pe.test"


@pytest.fixture
def names(tmp_path):
    server = NameServer(str(tmp_path))
    yield server
    server.close()


@pytest.fixture
def balancers():
    balancers = [SlotBalancer() for _ in range(3)]
    yield balancers
    for balancer in balancers:
        balancer.close()


def port_of(balancer):
    return int(balancer.url.rsplit(":", 1)[1].strip("/"))


def test_a_worker_offers_its_slots_to_all_balancers_that_a_service_names(names, balancers):
    """The service does not exist at first. The third balancer is for when the others are gone."""
    worker = Worker(
        "http+srv://pe.test", *engine.OPTIONS, "--ahead", "0", slots=1, wrapper=names.wrapper
    )
    try:
        worker.start()
        worker.wait_for_log(f"{SERVICE} has no SRV record")
        names.services[SERVICE] = [
            (10, port_of(balancers[0]), "one.pe.test"),
            (10, port_of(balancers[1]), "two.pe.test"),
            (20, port_of(balancers[2]), "three.pe.test"),
        ]
        one, two = balancers[0].slot(), balancers[1].slot()
        assert one.ready["shared"] == two.ready["shared"] == 1
        assert one.start("echo one", watch=False).end().stdout == b"one\n"
        two.wait_for("withdraw")
        assert (SERVICE, SRV) in names.questions
        asked = {name for name, kind in names.questions if kind != SRV}
        assert {"one.pe.test", "two.pe.test"} <= asked
        assert "three.pe.test" not in asked
    finally:
        worker.close()
