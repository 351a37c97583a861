# SPDX-License-Identifier: Apache-2.0
"""Clients, workers or the service itself go away, and workers break the protocol."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from random import Random

import pytest
import select

from fixtures import processes
from fixtures.balancer import ENVIRONMENT
from fixtures.http_client import JOB, SAME, Connection, assert_refused, job_body, job_request
from fixtures.paths import program
from fixtures.stand_in_worker import BINARY, TEXT, Closed, Registration, Slot, WebSocket, connect
from fixtures.waiting import PATIENCE, Background, eventually


MIB = 1 << 20


def closed_with(link, code):
    try:
        while True:
            link.receive()
    except Closed as closed:
        assert closed.code == code, "close code"


def reset(sock):
    """Close with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_job_whose_slot_is_lost_goes_to_another_slot(balancer):
    registration, first, second = balancer.worker(slots=2)
    pending = Background(balancer.post, files=[("f", b"x" * 100000)])
    first.take_job()
    first.close()
    job, files = second.take_job()
    assert len(files[0][1]) == 100000
    second.answer(job, b"second")
    assert pending.done().form()[1][2] == b"second"


def test_a_json_result_is_retried_even_after_half_of_it_arrived(balancer):
    registration, first, second = balancer.worker(slots=2)
    pending = Background(balancer.post, accept="application/json")
    job, _ = first.take_job()
    first.send_bytes(first.result(job, b"half")[:2])
    balancer.wait_for(running=1)
    first.close()
    second.answer(second.take_job()[0], b"whole")
    assert pending.done().json()["stdout"] == "whole"


def slot_with_job(slots):
    """The slot that was sent something."""
    readable, _, _ = select.select([slot.sock for slot in slots], [], [], PATIENCE)
    return next(slot for slot in slots if slot.sock in readable)


def lose_three_slots(balancer, slots):
    """Run the usual job; the slots that get it are lost."""
    pending = Background(balancer.post, accept="application/json")
    for _ in range(3):
        slot = slot_with_job(slots)
        slot.take_job()
        slot.close()
        slots.remove(slot)
    return pending.done()


def test_a_job_that_kills_three_slots_gets_vm_error_and_is_held_back(start_balancer):
    balancer = start_balancer("--poison-ms", "600000")
    registration, *slots = balancer.worker(slots=5)
    response = lose_three_slots(balancer, slots)
    assert response.status == 200
    assert response.json()["status"] == "vm_error"
    assert response.json()["exit_code"] is None
    assert "3 slots or VMs of workers died" in response.json()["reason"]
    balancer.wait_for(slots=2, ready=2)
    again = balancer.post().form()
    assert "held back" in json.loads(again[0][2])["reason"]
    other = Background(balancer.post, job={**JOB, "cmd": ["other"]})
    slot = slot_with_job(slots)
    slot.answer(slot.take_job()[0], b"other")
    assert other.done().form()[1][2] == b"other"
    assert balancer.metric("pe_jobs_poisoned_total") == 1


def test_a_job_that_was_held_back_is_run_again_after_a_while(start_balancer):
    balancer = start_balancer("--poison-ms", "100")
    registration, *slots = balancer.worker(slots=4)
    assert lose_three_slots(balancer, slots).json()["status"] == "vm_error"
    slot = slots[0]
    serving = Background(lambda: slot.answer(slot.take_job()[0], b"run again"))
    eventually(lambda: balancer.post().form()[1][2] == b"run again", "the job is run")
    serving.done()


def lose_vm(slot, job):
    """Say that the VM of the job died."""
    problem = {"type": "/problems/vm-lost", "status": 503, "detail": "the VMM ended"}
    slot.send_message(type="error", id=job["id"], problem=problem)
    slot.ready()


def test_a_job_is_tried_on_three_vms_before_it_gets_vm_error_and_is_not_held_back(balancer):
    registration, slot = balancer.worker()
    pending = Background(balancer.post, accept="application/json")
    for _ in range(3):
        lose_vm(slot, slot.take_job()[0])
    result = pending.done().json()
    assert result["status"] == "vm_error"
    assert result["reason"].endswith("the VMM ended")
    pending = Background(balancer.post, accept="application/json")
    lose_vm(slot, slot.take_job()[0])
    slot.answer(slot.take_job()[0], b"out")
    assert pending.done().json()["stdout"] == "out"
    assert balancer.metric("pe_jobs_poisoned_total") == 0


def test_a_job_whose_vm_was_lost_is_given_to_another_worker_if_there_is_one(balancer):
    registration, bad = balancer.worker(host="bad")
    pending = Background(balancer.post)
    job, _ = bad.take_job()
    other, good = balancer.worker(host="good")
    lose_vm(bad, job)
    good.answer(good.take_job()[0], b"out")
    assert pending.done().form()[1][2] == b"out"


def test_a_job_whose_slot_and_worker_are_gone_waits_no_longer_than_the_queue_allows(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "1000")
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    slot.take_job()
    slot.close(), registration.close()
    assert_refused(pending.done(), 503, "no-worker")
    balancer.wait_for(queued=0)


def test_a_request_that_joins_a_running_job_is_not_bound_by_the_time_in_the_queue(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "1000")
    registration, slot = balancer.worker()
    first = Background(balancer.post, job=SAME)
    job, _ = slot.take_job()
    second = Background(balancer.post, job=SAME)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "the second request has joined")
    other = balancer.post(job={**JOB, "cmd": ["other"]})  # waits for as long as it may
    assert_refused(other, 503, "no-capacity", "1000 ms")
    slot.answer(job, b"out")
    for pending in first, second:
        assert pending.done().form()[1][2] == b"out"


def test_requests_that_join_a_job_count_in_the_bounds_of_the_queue(start_balancer):
    balancer = start_balancer("--queue-jobs", "1")
    registration, slot = balancer.worker()
    first = Background(balancer.post, job=SAME)
    job, _ = slot.take_job()
    second = Background(balancer.post, job=SAME)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "the second request has joined")
    assert_refused(balancer.post(job=SAME), 503, "no-capacity", "1 jobs are waiting")
    slot.answer(job, b"out")
    for pending in first, second:
        assert pending.done().form()[1][2] == b"out"


def test_slots_that_die_together_are_not_blamed_on_a_job(balancer):
    registration, *slots = balancer.worker(slots=4)
    pending = Background(balancer.post)
    slots[0].take_job()
    for slot in slots:
        slot.close()
    balancer.wait_for(slots=0)
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0], b"alive")
    assert pending.done().form()[1][2] == b"alive"
    assert balancer.metric("pe_jobs_lost_total") == 1


def test_a_job_that_loses_three_workers_is_504_and_not_blamed_for_them(balancer):
    pending = None
    for i in range(3):
        registration = balancer.register(f"h{i}")
        balancer.wait_for(hosts=1)
        pending = pending or Background(balancer.post)
        slot = Slot(balancer.address, f"h{i}")
        slot.take_job()
        registration.close()
        balancer.wait_for(hosts=0)
        slot.close()
        balancer.wait_for(slots=0)
    response = pending.done()
    assert_refused(response, 504, "job-lost", "3 slots")
    assert len(response.headers["X-Request-Id"]) == 32


def test_a_slot_lost_in_the_middle_of_a_result_cuts_off_the_response(start_balancer):
    for accept in "multipart/form-data", "application/x-cpio":
        balancer = start_balancer()
        registration, slot, other = balancer.worker(slots=2)
        sock = balancer.send_job(accept)
        job, _ = slot.take_job()
        slot.send_bytes(slot.result(job, b"out", b"", [("f", b"x" * 1000)])[:500])
        got = b""
        while b"xxx" not in got:
            got += sock.recv(65536)
        slot.close()
        while data := sock.recv(65536):
            got += data
        assert not got.endswith(b"0\r\n\r\n")
        assert not (b"TRAILER" in got)
        balancer.wait_for(ready=1, running=0)
        registration.close()


def test_a_client_that_leaves_cancels_its_running_job_on_tcp_and_unix_by_fin_and_rst(balancer):
    registration, slot = balancer.worker()
    before = balancer.settled_fds()
    for address in balancer.tcp, balancer.unix:
        for end in socket.socket.close, reset:
            balancer.address = address
            sock = balancer.send_job()
            job, _ = slot.take_job()
            end(sock)
            assert slot.receive() == {"type": "cancel", "id": job["id"]}
            slot.send_message(
                type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499}
            )
            slot.ready()
            balancer.wait_for(ready=1, running=0)
    balancer.wait_for_fds(before)


def test_a_client_that_leaves_a_kept_alive_connection_cancels_its_second_job(balancer):
    registration, slot = balancer.worker()
    sock = balancer.send_job()
    slot.answer(slot.take_job()[0])
    got = b""
    while not got.endswith((b"--\r\n", b"0\r\n\r\n")):  # as one piece, or in chunks
        got += sock.recv(65536)
    sock.sendall(job_request())
    job, _ = slot.take_job()
    sock.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    # What crossed is ignored, a whole result as well.
    slot.answer(job, b"too late")
    balancer.wait_for(ready=1, running=0)


def test_a_client_that_left_before_its_second_job_was_read_leaves_no_job(balancer):
    registration, slot = balancer.worker()
    sock = balancer.send_job()
    slot.answer(slot.take_job()[0], ready=False)
    got = b""
    while not got.endswith((b"--\r\n", b"0\r\n\r\n")):
        got += sock.recv(65536)
    balancer.process.send_signal(signal.SIGSTOP)
    sock.sendall(job_request())
    sock.close()
    balancer.process.send_signal(signal.SIGCONT)
    eventually(
        lambda: 'pe_requests_total{status="canceled"} 1'
        in balancer.request("GET", "/metrics").body.decode(),
        "it counts as canceled",
    )
    balancer.wait_for(queued=0, running=0)


def test_a_client_that_leaves_while_its_job_waits_leaves_the_queue(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    before = balancer.settled_fds()
    socks = [balancer.send_job() for _ in range(20)]
    balancer.wait_for(queued=20)
    for sock in socks:
        sock.close()
    balancer.wait_for(queued=0)
    balancer.wait_for_fds(before)


def test_a_client_that_leaves_during_its_response_or_its_input_cancels_the_job(balancer):
    registration, slot = balancer.worker()
    sock = balancer.send_job()
    job, _ = slot.take_job()
    slot.send_bytes(slot.result(job, b"out", b"", [("f", b"x" * 1000)])[:500])
    while b"xxx" not in sock.recv(65536):
        pass
    sock.close()
    assert slot.receive()["type"] == "cancel"
    slot.send_message(
        type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499}
    )
    slot.ready()
    balancer.wait_for(ready=1)
    sock = balancer.send_job(body=job_body(files=[("f", bytes(30 * MIB))]))
    job = slot.receive()  # and no more: the input does not fit into the socket's buffers
    sock.close()
    balancer.wait_for(running=0)
    while isinstance(message := slot.receive(), bytes):
        pass
    assert message == {"type": "cancel", "id": job["id"]}


def test_a_client_that_stops_reading_does_not_hold_up_its_slot(balancer):
    registration, slot = balancer.worker()
    sock = balancer.send_job()
    job, _ = slot.take_job()
    slot.answer(job, b"", b"", [("f", bytes(15 * MIB))])
    balancer.wait_for(ready=1, running=0)
    pending = Background(balancer.post)
    slot.answer(slot.take_job()[0], b"next")
    assert pending.done().form()[1][2] == b"next"
    sock.close()


def test_a_ready_that_crosses_its_job_on_the_wire_is_ignored(balancer):
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    slot.ready()
    slot.answer(job, b"one")
    assert pending.done().form()[1][2] == b"one"


def test_a_workers_error_reaches_the_client_with_its_status(balancer):
    registration, slot = balancer.worker()
    for status in 422, 503:
        pending = Background(balancer.post)
        job, _ = slot.take_job()
        slot.send_message(
            type="error",
            id=job["id"],
            problem={
                "type": "/problems/no-default-command",
                "status": status,
                "title": "T",
                "detail": "say a command",
            },
        )
        slot.ready()
        response = pending.done()
        assert_refused(response, status, "no-default-command", "say a command")
        assert response.headers["Retry-After"] == ("1" if status == 503 else None)


def test_a_full_queue_and_a_long_wait_are_503_with_retry_after(start_balancer):
    balancer = start_balancer("--queue-jobs", "2", "--queue-wait-ms", "600000")
    balancer.register()
    balancer.wait_for(hosts=1)
    waiting = [balancer.send_job() for _ in range(2)]
    balancer.wait_for(queued=len(waiting))
    response = balancer.post()
    assert_refused(response, 503, "no-capacity", "2 jobs are waiting")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    balancer.end()
    balancer = start_balancer("--queue-wait-ms", "2000")
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    assert_refused(balancer.post(), 503, "no-capacity", "2000 ms")
    pending = Background(balancer.post)
    eventually(
        lambda: balancer.health()["queued"] == 1 or not pending.is_running(), "the job waits"
    )
    registration.close()
    assert_refused(pending.done(), 503, "no-worker")


def test_with_no_room_to_wait_a_job_still_goes_to_a_ready_slot(start_balancer):
    balancer = start_balancer("--queue-jobs", "0")
    registration, slot = balancer.worker()
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    assert_refused(balancer.post(), 503, "no-capacity")
    slot.answer(job)
    assert pending.done().status == 200


def violations():
    """Name, whether a job is running, what the worker does."""
    yield "text that is not JSON", False, lambda slot, job: slot.send(1, b"{")
    yield "an unknown message", False, lambda slot, job: slot.send_message(type="what")
    yield "bytes without a result", False, lambda slot, job: slot.send(BINARY, b"x")
    yield "a result without a job", False, lambda slot, job: slot.result({"id": "x"})
    yield "hello on a slot", False, lambda slot, job: Registration.hello(slot, "h1", [])
    yield "a text that is too long", False, lambda slot, job: slot.send(1, b" " * (4 * MIB + 1))
    yield "another job's result", True, lambda slot, job: slot.result({"id": "other"})
    yield "a job from a worker", True, lambda slot, job: slot.send_message(**job)
    yield "end without a result", True, lambda slot, job: slot.send_message(
        type="end", id=job["id"]
    )
    yield "bytes before the result", True, lambda slot, job: slot.send(BINARY, b"x")
    yield "no stdout", True, lambda slot, job: slot.send_message(
        type="result", id=job["id"], result={"status": "exited"}, parts=[]
    )
    yield "no status", True, lambda slot, job: slot.send_message(
        type="result", id=job["id"], result={}, parts=[]
    )
    yield "parts in the wrong order", True, lambda slot, job: slot.send_message(
        type="result",
        id=job["id"],
        result={"status": "exited"},
        parts=[{"kind": "stderr", "size": 0}, {"kind": "stdout", "size": 0}],
    )
    yield "too much output", True, lambda slot, job: slot.send_message(
        type="result",
        id=job["id"],
        result={"status": "exited"},
        parts=[{"kind": "stdout", "size": 18 * MIB}, {"kind": "stderr", "size": 0}],
    )
    yield "a negative size", True, lambda slot, job: slot.send_message(
        type="result",
        id=job["id"],
        result={"status": "exited"},
        parts=[{"kind": "stdout", "size": -1}],
    )
    yield "a name that climbs", True, lambda slot, job: slot.result(job, files=[("../x", b"")])
    yield "an absolute name", True, lambda slot, job: slot.result(job, files=[("/x", b"")])


def late_violations():
    """What a worker may do wrong once its result has begun."""
    yield "more bytes than said", lambda slot, job: slot.send_bytes(b"12345678901")
    yield "fewer bytes than said", lambda slot, job: (
        slot.send_bytes(b"1"),
        slot.send_message(type="end", id=job["id"]),
    )
    yield "two results", lambda slot, job: slot.result(job, b"1234567890")
    yield "ready in a result", lambda slot, job: slot.ready()
    yield "error in a result", lambda slot, job: slot.send_message(
        type="error", id=job["id"], problem={"status": 500}
    )


def test_a_worker_that_breaks_the_protocol_is_closed_and_its_job_given_to_another(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    before = balancer.settled_fds()
    for name, running, act in violations():
        slot = Slot(balancer.address)
        balancer.wait_for(ready=1)
        pending = Background(balancer.post) if running else None
        job = slot.take_job()[0] if running else None
        try:
            act(slot, job)
        except BrokenPipeError:
            pass  # closed before everything was sent
        closed_with(slot, 1009 if "too long" in name else 1008)
        slot.close()
        balancer.wait_for(slots=0)
        if running:
            other = Slot(balancer.address)
            other.answer(other.take_job()[0], name.encode(), ready=False)
            assert pending.done().form()[1][2] == name.encode()
            other.close()
        balancer.wait_for(slots=0, queued=0)
    balancer.wait_for_fds(before)


def test_a_worker_that_breaks_the_protocol_inside_a_result_cuts_off_the_response(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    for name, act in late_violations():
        slot = Slot(balancer.address)
        sock = balancer.send_job()
        job, _ = slot.take_job()
        slot.result(job, b"1234567890")
        got = sock.recv(65536)  # from here on no other slot can do the job
        act(slot, job)
        closed_with(slot, 1008)
        while data := sock.recv(65536):
            got += data
        assert got[:12] == b"HTTP/1.1 200", name
        assert not got.endswith(b"0\r\n\r\n"), name
        slot.close()
        balancer.wait_for(slots=0, running=0)


@pytest.mark.parametrize("version", [2, 4, None])
def test_a_worker_of_another_protocol_version_is_refused(balancer, version):
    said = {} if version is None else {"protocol": version}
    text = f"the worker speaks version {version or 1} of the slot protocol, the balancer version 3"
    for path, kind in ("/v1/control", "hello"), ("/v1/slot", "ready"):
        connection = WebSocket(balancer.address, path)
        connection.send(TEXT, json.dumps({"type": kind, **said, "host": 7}).encode())
        with pytest.raises(Closed, match=text) as closed:
            connection.receive()
        assert closed.value.code == 4001
    assert balancer.health()["hosts"] == 0
    balancer.wait_for_log(text)


def test_the_log_names_a_worker_of_another_protocol_version(balancer):
    for path, kind, what in (
        ("/v1/control", "hello", "registration of worker"),
        ("/v1/slot", "ready", "slot of worker"),
    ):
        connection = WebSocket(balancer.address, path)
        connection.send_message(type=kind, protocol=2, host="old-one")
        closed_with(connection, 4001)
        balancer.wait_for_log(f"{what} 'old-one': the worker speaks version 2")


def test_large_binary_messages_and_registrations_without_hello_are_refused(balancer):
    registration, slot = balancer.worker()
    pending = Background(balancer.post, accept="application/json")
    job, _ = slot.take_job()
    slot.result(job, b"x" * 70000)
    slot.send(BINARY, b"x" * 70000)
    closed_with(slot, 1008)
    other = Slot(balancer.address)
    other.answer(other.take_job()[0])
    assert pending.done().status == 200
    registration.send_message(type="ready", host="h1")
    closed_with(registration, 1008)
    second = balancer.register(images=[{"name": "bad name"}])
    closed_with(second, 1008)
    third = balancer.register()
    third.send(BINARY, b"x")
    closed_with(third, 1008)
    balancer.wait_for(hosts=0)


def test_a_worker_that_answers_no_pings_is_closed_and_its_job_given_to_another(balancer):
    started = time.monotonic()
    registration = balancer.register()
    slot = Slot(balancer.address)
    slot.answer_pings = False
    keep = Background(registration.receive, 600)
    pending = Background(balancer.post)
    slot.take_job()
    closed_with(slot, None)
    assert time.monotonic() - started >= 14
    assert slot.pings <= 5, "one each 5 s, so the balancer did not wait for twice as long"
    other = Slot(balancer.address)
    other.answer(other.take_job()[0])
    assert pending.done().status == 200
    assert registration.pings >= 2
    assert keep.is_running()


def chaotic_worker(balancer, random, stop):
    """Takes jobs and answers, fails, breaks the protocol or goes away at any point."""
    while not stop.is_set():
        try:
            slot = Slot(balancer.address, warm=random.choice([None, "gcc:14"]))
            for _ in range(random.randrange(6)):
                while (job := slot.receive(1))["type"] == "cancel":
                    pass  # it crossed the end of the job before
                if random.random() < 0.1:
                    break
                while not isinstance(message := slot.receive(1), dict):
                    pass
                if message["type"] == "cancel" or random.random() < 0.1:
                    slot.send_message(
                        type="error", id=job["id"], problem={"type": "/problems/x", "status": 500}
                    )
                    slot.ready()
                    continue
                data = slot.result(
                    job,
                    bytes(random.randrange(3)),
                    b"",
                    [("f", bytes(random.choice([0, 9, 300000])))],
                )
                slot.send_bytes(data[: len(data) - (random.random() < 0.1)])
                if random.random() < 0.1:
                    break
                slot.send_message(type="end", id=job["id"])
                slot.ready()
        except (OSError, Closed):
            pass
        (reset if random.random() < 0.5 else socket.socket.close)(slot.sock)


def chaotic_client(balancer, random, stop):
    """Sends jobs and goes away at any point."""
    accepts = "*/*", "application/json", "application/x-cpio", "text/html"
    while not stop.is_set():
        try:
            sock = balancer.send_job(
                random.choice(accepts),
                job_body(files=[("f", bytes(random.choice([0, 10, 500000])))]),
            )
            sock.settimeout(random.choice([0.001, 0.01, 0.5]))
            for _ in range(random.randrange(20)):
                sock.recv(65536)
        except OSError:
            pass
        (reset if random.random() < 0.5 else socket.socket.close)(sock)


def test_clients_and_workers_that_connect_and_leave_at_random_leave_nothing_behind(start_balancer):
    balancer = start_balancer("--queue-jobs", "6", "--queue-wait-ms", "50")
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    Background(registration.receive, 600)
    before, stop, seed = (
        balancer.settled_fds(),
        threading.Event(),
        int(os.environ.get("PE_SEED", "1")),
    )
    busy = [Background(chaotic_worker, balancer, Random(seed * 100 + i), stop) for i in range(4)]
    busy += [
        Background(chaotic_client, balancer, Random(seed * 100 + 50 + i), stop) for i in range(10)
    ]
    time.sleep(float(os.environ.get("PE_CHAOS_SECONDS", "3")))
    stop.set()
    for thread in busy:
        thread.done()
    balancer.wait_for(status="ok", hosts=1, slots=0, ready=0, queued=0, running=0)
    balancer.wait_for_fds(before)
    pending = Background(balancer.post)
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0], b"alive")
    assert pending.done().form()[1][2] == b"alive"


def test_a_connection_accepted_before_sigterm_is_still_served_its_first_request(balancer):
    registration, slot = balancer.worker()
    early = connect(balancer.address)
    eventually(
        lambda: balancer.metric("pe_connections") >= 4, "it is accepted"
    )  # worker, slot, this one and the question
    balancer.process.send_signal(signal.SIGTERM)
    eventually(lambda: not os.path.exists(balancer.path), "the socket is removed")
    early.sendall(job_request())
    slot.answer(slot.take_job()[0], b"early", ready=False)
    assert b"200 OK" in early.recv(65536)
    assert balancer.process.wait(PATIENCE) == 0


def test_sigterm_finishes_running_jobs_takes_no_new_ones_and_removes_the_socket(balancer):
    registration, slot = balancer.worker()
    idle = Connection(balancer.address)
    balancer.request("GET", "/healthz", connection=idle)
    pending = Background(balancer.post)
    job, _ = slot.take_job()
    balancer.process.send_signal(signal.SIGTERM)
    eventually(lambda: not os.path.exists(balancer.path), "the socket is removed")
    assert_refused(balancer.post(connection=idle), 503, "no-capacity", "shutting down")
    try:
        connect(balancer.tcp).close()
        raise AssertionError("still listening")
    except ConnectionRefusedError:
        pass
    slot.answer(job, b"finished", ready=False)
    assert pending.done().form()[1][2] == b"finished"
    assert balancer.process.wait(PATIENCE) == 0


def test_a_second_signal_ends_at_once(balancer):
    registration, slot = balancer.worker()
    sock = balancer.send_job()
    slot.take_job()
    balancer.process.send_signal(signal.SIGTERM)
    eventually(lambda: not os.path.exists(balancer.path), "the first signal is seen")
    assert balancer.process.poll() is None
    balancer.process.send_signal(signal.SIGINT)
    assert balancer.process.wait(PATIENCE) == 0
    sock.close()


def test_a_stale_socket_is_replaced_but_not_a_live_one_or_a_plain_file(balancer):
    def start(where):
        return subprocess.run(
            [program("pe-lb"), "--listen", where],
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
        )

    live = start(balancer.unix)
    assert live.returncode == 1, live.stderr
    assert "another process listens" in live.stderr, live.stderr
    plain = start("unix:" + balancer.log_file.path)
    assert plain.returncode == 1, plain.stderr
    assert "not a socket" in plain.stderr, plain.stderr
    stale = os.path.join(balancer.folder.name, "stale.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(stale)
    process = subprocess.Popen(
        [program("pe-lb"), "--listen", "unix:" + stale],
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )
    eventually(
        lambda: os.system(f"test -S {stale}") == 0 and can_connect("unix:" + stale), "listening"
    )
    assert processes.end(process) == 0
    assert not os.path.exists(stale)
    for wrong in "nonsense", "127.0.0.1:notaport", "unix:", "unix:" + "x" * 200, "127.0.0.1:":
        assert start(wrong).returncode == 1, wrong


def can_connect(address):
    try:
        connect(address).close()
        return True
    except OSError:
        return False


def test_die_with_parent_ends_pe_lb_when_its_parent_is_killed(balancer):
    path = os.path.join(balancer.folder.name, "child.sock")
    parent = subprocess.Popen(
        ["sh", "-c", f"{program('pe-lb')} --die-with-parent --listen unix:{path} & wait"],
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: can_connect("unix:" + path), "listening")
    processes.kill(parent)
    eventually(lambda: not can_connect("unix:" + path), "gone")
