# SPDX-License-Identifier: Apache-2.0
"""Frames of WebSockets (RFC 6455) that are large, many or malformed, from a client of GET /v1/connect."""
import socket
import struct

import pytest
from fixtures.http_client import JOB
from fixtures.interactive import Program, Session, assert_all_is_free
from fixtures.stand_in_worker import Registration, Slot, frame
from fixtures.websocket import CLOSE, CONTINUATION, PING, PONG, TEXT, Closed

MIB = 1 << 20
OVER = pytest.mark.parametrize("tls", [False, True], ids=["without TLS", "over TLS"])
LARGE_PING = b"\x89\xfe\x00\x7e" + bytes(4) + b"x" * 126  # 125 bytes are allowed


def address_of(balancer, tls):
    return balancer.tls if tls else balancer.tcp


def open_session(balancer, tls):
    return Session(address_of(balancer, tls), tls=tls)


def close_of(connection):
    """What the balancer's close frame says."""
    with pytest.raises(Closed) as closed:
        while True:
            connection.receive()
    connection.close()
    return closed.value.code, closed.value.reason


@OVER
def test_a_first_message_over_36_mib_is_refused_with_a_code_that_its_client_can_read(
    start_tls_balancer, tls
):
    balancer = start_tls_balancer()
    session = open_session(balancer, tls)
    session.send(TEXT, b"x" * (36 * MIB + 1))
    assert close_of(session) == (1009, "")
    assert_all_is_free(balancer)


@pytest.mark.parametrize(
    "frame",
    [
        LARGE_PING,
        b"\x09\x81" + bytes(4) + b"x",  # a ping in pieces
        b"\x81\xff" + b"\xff" * 8 + bytes(4),  # a size of 64 bits
        b"\x80\x81" + bytes(4) + b"x",  # the next piece of nothing
        b"\xc1\x81" + bytes(4) + b"x",  # an extension that was not agreed on
        b"\x83\x81" + bytes(4) + b"x",  # an unknown kind
        b"\x81\x01x",  # without a mask
    ],
)
def test_a_malformed_frame_ends_the_session_with_a_code(start_tls_balancer, frame):
    balancer = start_tls_balancer()
    for tls in False, True:
        session = open_session(balancer, tls)
        session.sock.sendall(frame + b"and more that nobody reads" * 1000)
        assert close_of(session) == (1002, "")
    assert_all_is_free(balancer)


@OVER
def test_the_close_frame_of_a_client_is_answered(start_tls_balancer, tls):
    balancer = start_tls_balancer()
    session = open_session(balancer, tls)
    session.send(CLOSE, struct.pack(">H", 1000) + b"enough")
    assert close_of(session) == (1000, "enough")
    assert_all_is_free(balancer)


@OVER
def test_a_worker_learns_why_its_connection_is_closed(start_tls_balancer, tls):
    balancer = start_tls_balancer()
    address = address_of(balancer, tls)
    registration = Registration(address, tls=tls)
    balancer.wait_for(hosts=1)
    slots = [Slot(address, tls=tls) for _ in range(3)]
    slots[0].send(TEXT, b"x" * (5 * MIB))
    assert close_of(slots[0]) == (1009, "")
    slots[1].sock.sendall(LARGE_PING)
    assert close_of(slots[1]) == (1002, "")
    slots[2].send(TEXT, b"[]")
    code, reason = close_of(slots[2])
    assert code == 1008 and reason
    balancer.wait_for_log(reason)
    registration.sock.sendall(LARGE_PING)
    assert close_of(registration) == (1002, "")
    balancer.wait_for(slots=0)


def open_unread_session(balancer, slot, tls, buffer):
    """A session with more output than fits into sockets, so that a write of the balancer is under way."""
    session = open_session(balancer, tls)
    session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    session.run(JOB)
    program = Program(slot)
    for _ in range(7 * 16):
        program.print(b"x" * 65536)
    return session, program


def close_code_behind_output(session):
    """The code of the close frame, in front of which all frames of output are complete."""
    opcode = None
    while opcode != CLOSE:
        _, opcode, data = session.receive_piece()
        assert opcode in (TEXT, CONTINUATION, PING, CLOSE)
    return struct.unpack(">H", data[:2])[0]


@OVER
def test_a_malformed_frame_during_a_write_ends_the_session_with_a_code(start_tls_balancer, tls):
    balancer = start_tls_balancer()
    _, slot = balancer.worker(live=1)
    session, program = open_unread_session(balancer, slot, tls, buffer=1 << 18)
    session.sock.sendall(LARGE_PING)
    assert close_code_behind_output(session) == 1002
    session.close()
    program.exit()
    assert_all_is_free(balancer)


@OVER
def test_a_client_that_sends_a_malformed_frame_and_reads_nothing_leaves_nothing(
    start_tls_balancer, tls
):
    balancer = start_tls_balancer()
    _, slot = balancer.worker(live=1)
    before = balancer.settled_fds()
    session, program = open_unread_session(balancer, slot, tls, buffer=4096)
    session.sock.sendall(LARGE_PING)
    balancer.wait_for_fds(before)
    session.close()
    program.exit()
    assert_all_is_free(balancer)


def test_a_connection_over_tls_ends_although_its_client_never_answers_the_farewell(
    start_tls_balancer,
):
    balancer = start_tls_balancer()
    before = balancer.settled_fds()
    nonsense, own_close = frame(TEXT, b"["), frame(CLOSE, struct.pack(">H", 1000))
    sessions = {}
    for reads in False, True:
        for sent in nonsense, own_close, LARGE_PING:
            sessions[reads, sent] = open_session(balancer, tls=True)
            sessions[reads, sent].sock.sendall(sent)
    for sent in nonsense, own_close, LARGE_PING:
        with pytest.raises(Closed):
            while True:
                sessions[True, sent].receive()
    balancer.wait_for_fds(before)  # the sockets of the clients are open, and some have bytes to be read
    for session in sessions.values():
        session.close()
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
