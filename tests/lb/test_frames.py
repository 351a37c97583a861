# SPDX-License-Identifier: Apache-2.0
"""Frames of WebSockets (RFC 6455) that are large, many or malformed, from a client of GET /v1/connect."""
import pytest
from fixtures.http_client import JOB
from fixtures.interactive import Program, Session, assert_all_is_free
from fixtures.stand_in_worker import PING, PONG, TEXT, Closed

MIB = 1 << 20


def test_a_first_message_over_36_mib_is_refused_with_a_code_that_its_client_can_read(balancer):
    session = Session(balancer.address)
    session.send(TEXT, b"x" * (36 * MIB + 1))
    with pytest.raises(Closed) as closed:
        session.event()
    session.close()
    assert closed.value.code == 1009
    assert_all_is_free(balancer)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x89\xfe\x00\x7e" + bytes(4) + b"x" * 126,  # a ping of more than 125 bytes
        b"\x09\x81" + bytes(4) + b"x",  # a ping in pieces
        b"\x81\xff" + b"\xff" * 8 + bytes(4),  # a size of 64 bits
        b"\x80\x81" + bytes(4) + b"x",  # the next piece of nothing
        b"\xc1\x81" + bytes(4) + b"x",  # an extension that was not agreed on
        b"\x83\x81" + bytes(4) + b"x",  # an unknown kind
        b"\x81\x01x",  # without a mask
    ],
)
def test_a_malformed_frame_ends_the_session_with_a_code(balancer, frame):
    session = Session(balancer.address)
    session.sock.sendall(frame + b"and more that nobody reads" * 1000)
    with pytest.raises(Closed) as closed:
        session.event()
    session.close()
    assert closed.value.code == 1002
    assert_all_is_free(balancer)


def test_pings_are_no_part_of_a_first_message(start_balancer):
    balancer = start_balancer("--queue-mib", "1")
    _, slot = balancer.worker(live=1)
    session = Session(balancer.address)
    for _ in range(10000):
        session.send(PING, b"x" * 125)
        assert session.receive_frame() == (PONG, b"x" * 125)
    session.run(JOB)
    Program(slot).exit()
    assert session.rest()[-1]["type"] == "result"
    assert_all_is_free(balancer)


def test_pings_do_not_postpone_the_end_of_a_session_without_a_job(balancer):
    session = Session(balancer.address)
    session.send(PING)
    assert session.receive_frame() == (PONG, b"")
    with pytest.raises(Closed) as closed:
        session.event()
    session.close()
    assert closed.value.code == 1008
    assert_all_is_free(balancer)
