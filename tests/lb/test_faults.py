"""When clients, workers or the service itself go away, and workers that do not keep to the protocol."""
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from random import Random

from harness import (BOUNDARY, JOB, PROGRAM, Background, Balancer, Connection, connect, equal, eventually, job_body,
                     post, request, test)
from slotclient import BINARY, Closed, Host, Slot
from test_requests import refused

MIB = 1 << 20


def job_request(accept="*/*", body=None):
    body = body or job_body()
    return (f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n").encode() + body


def send_job(lb, accept="*/*", body=None):
    """A request on a raw socket, so that the test decides how its connection ends."""
    sock = connect(lb.address)
    sock.sendall(job_request(accept, body))
    return sock


def closed_with(link, code, seconds=10):
    try:
        while True:
            link.receive(seconds)
    except Closed as closed:
        equal(closed.code, code, "close code")


def reset(sock):
    """Close with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@test("a job whose slot is lost goes to another slot")
def _():
    with Balancer() as lb:
        control, first, second = lb.worker(slots=2)
        pending = Background(post, lb, files=[("f", b"x" * 100000)])
        first.take_job()
        first.close()
        job, files = second.take_job()
        equal(len(files[0][1]), 100000)
        second.answer(job, b"second")
        equal(pending.done().form()[1][2], b"second")
        control.close()


@test("a JSON result is retried even when it was half there")
def _():
    with Balancer() as lb:
        control, first, second = lb.worker(slots=2)
        pending = Background(post, lb, accept="application/json")
        job, _ = first.take_job()
        first.send_bytes(first.result(job, b"half")[:2])
        lb.wait_for(running=1)
        first.close()
        second.answer(second.take_job()[0], b"whole")
        equal(pending.done().json()["stdout"], "whole")
        control.close()


def kill_next(lb, slots):
    """Close whichever slot got a job, once it has it whole."""
    lb.wait_for(running=1)
    for slot in slots:
        slot.sock.settimeout(0.05)
        try:
            slot.fill()
        except (TimeoutError, Closed):
            continue
        slot.close()
        slots.remove(slot)
        return


@test("a job that kills two slots is answered as vm_error, and held back for a while")
def _():
    with Balancer("--poison-ms", "1500") as lb:
        control, *slots = lb.worker(slots=4)
        pending = Background(post, lb, accept="application/json")
        for _ in range(2):
            kill_next(lb, slots)
        response = pending.done()
        equal((response.status, response.json()["status"], response.json()["exit_code"]), (200, "vm_error", None))
        equal("twice" in response.json()["reason"], True)
        lb.wait_for(slots=2, ready=2)
        again = post(lb).form()
        equal("held back" in json.loads(again[0][2])["reason"], True)
        other = Background(post, lb, job={**JOB, "cmd": ["other"]})
        for slot in slots:
            slot.sock.settimeout(0.3)
            try:
                slot.answer(slot.take_job(0.3)[0], b"other")
            except TimeoutError:
                continue
        equal(other.done().form()[1][2], b"other")
        time.sleep(1.5)
        pending = Background(post, lb)
        lb.wait_for(running=1)
        equal(b"pe_jobs_poisoned_total 1" in request(lb, "GET", "/metrics").body, True)
        control.close()


@test("slots that die together take no job with them that none of them ran")
def _():
    with Balancer() as lb:
        control, *slots = lb.worker(slots=4)
        pending = Background(post, lb)
        slots[0].take_job()
        for slot in slots:
            slot.close()
        lb.wait_for(slots=0)
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0], b"alive")
        equal(pending.done().form()[1][2], b"alive")
        equal(lb.metric("pe_jobs_lost_total"), 1)
        control.close()


@test("a job that loses three hosts is 504, and none of them is its fault")
def _():
    with Balancer() as lb:
        pending = None
        for i in range(3):
            control = Host(lb.address, f"h{i}")
            lb.wait_for(hosts=1)
            pending = pending or Background(post, lb)
            slot = Slot(lb.address, f"h{i}")
            slot.take_job()
            control.close()
            lb.wait_for(hosts=0)
            slot.close()
            lb.wait_for(slots=0)
        response = pending.done()
        refused(response, 504, "job-lost", "3 slots")
        equal(len(response.headers["X-Request-Id"]), 32)


@test("a slot lost in the middle of a result breaks off the response")
def _():
    for accept in "multipart/form-data", "application/x-cpio":
        with Balancer() as lb:
            control, slot, other = lb.worker(slots=2)
            sock = send_job(lb, accept)
            job, _ = slot.take_job()
            slot.send_bytes(slot.result(job, b"out", b"", [("f", b"x" * 1000)])[:500])
            got = b""
            while b"xxx" not in got:
                got += sock.recv(65536)
            slot.close()
            while data := sock.recv(65536):
                got += data
            equal((got.endswith(b"0\r\n\r\n"), b"TRAILER" in got), (False, False))
            lb.wait_for(ready=1, running=0)
            control.close()


@test("a client that goes away cancels its running job, on TCP and UNIX, by FIN and RST")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        before = lb.settled_fds()
        for address in lb.tcp, lb.unix:
            for end in socket.socket.close, reset:
                lb.address = address
                sock = send_job(lb)
                job, _ = slot.take_job()
                end(sock)
                equal(slot.receive(), {"type": "cancel", "id": job["id"]})
                slot.say(type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499})
                slot.ready()
                lb.wait_for(ready=1, running=0)
        equal(lb.settled_fds(), before, "file descriptors")
        control.close()


@test("a client that goes away on a kept-alive connection cancels its second job")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = send_job(lb)
        slot.answer(slot.take_job()[0])
        got = b""
        while not got.endswith((b"--\r\n", b"0\r\n\r\n")):  # as one piece, or in chunks
            got += sock.recv(65536)
        sock.sendall(job_request())
        job, _ = slot.take_job()
        sock.close()
        equal(slot.receive(), {"type": "cancel", "id": job["id"]})
        # What crossed is ignored, a whole result as well.
        slot.answer(job, b"too late")
        lb.wait_for(ready=1, running=0)
        control.close()


@test("a client that has gone away before its second job was read leaves no job")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = send_job(lb)
        slot.answer(slot.take_job()[0], ready=False)
        got = b""
        while not got.endswith((b"--\r\n", b"0\r\n\r\n")):
            got += sock.recv(65536)
        lb.process.send_signal(signal.SIGSTOP)
        sock.sendall(job_request())
        sock.close()
        lb.process.send_signal(signal.SIGCONT)
        eventually(lambda: 'pe_requests_total{outcome="canceled"} 1' in request(lb, "GET", "/metrics").body.decode(),
                   "it counts as canceled")
        lb.wait_for(queued=0, running=0)
        control.close()


@test("a client that goes away while its job waits leaves the queue")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        before = lb.settled_fds()
        socks = [send_job(lb) for _ in range(20)]
        lb.wait_for(queued=20)
        for sock in socks:
            sock.close()
        lb.wait_for(queued=0)
        equal(lb.settled_fds(), before, "file descriptors")
        control.close()


@test("a client that goes away in the middle of its response or its input cancels the job")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = send_job(lb)
        job, _ = slot.take_job()
        slot.send_bytes(slot.result(job, b"out", b"", [("f", b"x" * 1000)])[:500])
        while b"xxx" not in sock.recv(65536):
            pass
        sock.close()
        equal(slot.receive()["type"], "cancel")
        slot.say(type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499})
        slot.ready()
        lb.wait_for(ready=1)
        sock = send_job(lb, body=job_body(files=[("f", bytes(30 * MIB))]))
        job = slot.receive()  # and no more: the input does not fit into the socket's buffers
        sock.close()
        lb.wait_for(running=0)
        while isinstance(message := slot.receive(), bytes):
            pass
        equal(message, {"type": "cancel", "id": job["id"]})
        control.close()


@test("a client that stops reading does not hold up its slot")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = send_job(lb)
        job, _ = slot.take_job()
        slot.answer(job, b"", b"", [("f", bytes(15 * MIB))])
        lb.wait_for(ready=1, running=0)
        pending = Background(post, lb)
        slot.answer(slot.take_job()[0], b"next")
        equal(pending.done().form()[1][2], b"next")
        sock.close()
        control.close()


@test("a ready that crosses its job on the wire means nothing")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        pending = Background(post, lb)
        job, _ = slot.take_job()
        slot.ready()
        slot.answer(job, b"one")
        equal(pending.done().form()[1][2], b"one")
        control.close()


@test("a worker's error reaches the client with its status")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        for status in 422, 503:
            pending = Background(post, lb)
            job, _ = slot.take_job()
            slot.say(type="error", id=job["id"], problem={"type": "/problems/no-default-command", "status": status,
                                                          "title": "T", "detail": "say a command"})
            slot.ready()
            response = pending.done()
            refused(response, status, "no-default-command", "say a command")
            equal(response.headers["Retry-After"], "1" if status == 503 else None)
        control.close()


@test("a full queue and a long wait are 503 with Retry-After")
def _():
    with Balancer("--queue-jobs", "2", "--queue-wait-ms", "700") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        waiting = [Background(post, lb) for _ in range(2)]
        lb.wait_for(queued=2)
        response = post(lb)
        refused(response, 503, "no-capacity", "2 jobs are waiting")
        equal(1 <= int(response.headers["Retry-After"]) <= 60, True)
        for call in waiting:
            refused(call.done(), 503, "no-capacity", "700 ms")
        pending = Background(post, lb)
        lb.wait_for(queued=1)
        control.close()
        refused(pending.done(), 503, "no-worker")


@test("with no room to wait, a job still goes to a ready slot")
def _():
    with Balancer("--queue-jobs", "0") as lb:
        control, slot = lb.worker()
        pending = Background(post, lb)
        job, _ = slot.take_job()
        refused(post(lb), 503, "no-capacity")
        slot.answer(job)
        equal(pending.done().status, 200)
        control.close()


def violations():
    """Name, whether a job is running, what the worker does."""
    yield "text that is not JSON", False, lambda slot, job: slot.send(1, b"{")
    yield "an unknown message", False, lambda slot, job: slot.say(type="what")
    yield "bytes without a result", False, lambda slot, job: slot.send(BINARY, b"x")
    yield "a result without a job", False, lambda slot, job: slot.result({"id": "x"})
    yield "hello on a slot", False, lambda slot, job: Host.hello(slot, "h1", [])
    yield "a text that is too long", False, lambda slot, job: slot.send(1, b" " * (4 * MIB + 1))
    yield "another job's result", True, lambda slot, job: slot.result({"id": "other"})
    yield "a job from a worker", True, lambda slot, job: slot.say(**job)
    yield "end without a result", True, lambda slot, job: slot.say(type="end", id=job["id"])
    yield "bytes before the result", True, lambda slot, job: slot.send(BINARY, b"x")
    yield "no stdout", True, lambda slot, job: slot.say(type="result", id=job["id"], result={"status": "exited"}, parts=[])
    yield "no status", True, lambda slot, job: slot.say(type="result", id=job["id"], result={}, parts=[])
    yield "parts in the wrong order", True, lambda slot, job: slot.say(
        type="result", id=job["id"], result={"status": "exited"},
        parts=[{"kind": "stderr", "size": 0}, {"kind": "stdout", "size": 0}])
    yield "too much output", True, lambda slot, job: slot.say(
        type="result", id=job["id"], result={"status": "exited"},
        parts=[{"kind": "stdout", "size": 18 * MIB}, {"kind": "stderr", "size": 0}])
    yield "a negative size", True, lambda slot, job: slot.say(
        type="result", id=job["id"], result={"status": "exited"}, parts=[{"kind": "stdout", "size": -1}])
    yield "a name that climbs", True, lambda slot, job: slot.result(job, files=[("../x", b"")])
    yield "an absolute name", True, lambda slot, job: slot.result(job, files=[("/x", b"")])


def late_violations():
    """What a worker may do wrong once its result has begun."""
    yield "more bytes than said", lambda slot, job: slot.send_bytes(b"12345678901")
    yield "fewer bytes than said", lambda slot, job: (slot.send_bytes(b"1"), slot.say(type="end", id=job["id"]))
    yield "two results", lambda slot, job: slot.result(job, b"1234567890")
    yield "ready in a result", lambda slot, job: slot.ready()
    yield "error in a result", lambda slot, job: slot.say(type="error", id=job["id"], problem={"status": 500})


@test("a worker that breaks the protocol is closed and its job given to another")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        before = lb.settled_fds()
        for name, running, act in violations():
            slot = Slot(lb.address)
            lb.wait_for(ready=1)
            pending = Background(post, lb) if running else None
            job = slot.take_job()[0] if running else None
            try:
                act(slot, job)
            except BrokenPipeError:
                pass  # closed before everything was sent
            closed_with(slot, 1009 if "too long" in name else 1008)
            slot.close()
            lb.wait_for(slots=0)
            if running:
                other = Slot(lb.address)
                other.answer(other.take_job()[0], name.encode(), ready=False)
                equal(pending.done().form()[1][2], name.encode())
                other.close()
            lb.wait_for(slots=0, queued=0)
        equal(lb.settled_fds(), before, "file descriptors")
        control.close()


@test("a worker that breaks the protocol inside a result is closed, and the response broken off")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        for name, act in late_violations():
            slot = Slot(lb.address)
            sock = send_job(lb)
            job, _ = slot.take_job()
            slot.result(job, b"1234567890")
            got = sock.recv(65536)  # from here on no other slot can do the job
            act(slot, job)
            closed_with(slot, 1008)
            while data := sock.recv(65536):
                got += data
            equal((got[:12], got.endswith(b"0\r\n\r\n")), (b"HTTP/1.1 200", False), name)
            slot.close()
            lb.wait_for(slots=0, running=0)
        control.close()


@test("binary messages over 64 KiB and what is no hello on a control connection are refused")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        pending = Background(post, lb, accept="application/json")
        job, _ = slot.take_job()
        slot.result(job, b"x" * 70000)
        slot.send(BINARY, b"x" * 70000)
        closed_with(slot, 1008)
        other = Slot(lb.address)
        other.answer(other.take_job()[0])
        equal(pending.done().status, 200)
        control.say(type="ready", host="h1")
        closed_with(control, 1008)
        second = Host(lb.address, images=[{"name": "bad name"}])
        closed_with(second, 1008)
        third = Host(lb.address)
        third.send(BINARY, b"x")
        closed_with(third, 1008)
        lb.wait_for(hosts=0)


@test("a silent worker is closed after 15 s and its job given to another; one that answers pings stays")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        slot = Slot(lb.address)
        slot.answer_pings = False
        keep = Background(control.receive, 30)
        pending = Background(post, lb)
        slot.take_job()
        started = time.monotonic()
        closed_with(slot, None, 30)
        equal(14 < time.monotonic() - started < 22, True, f"{time.monotonic() - started} s")
        other = Slot(lb.address)
        other.answer(other.take_job()[0])
        equal(pending.done().status, 200)
        equal((control.pings >= 2, keep.thread.is_alive()), (True, True))


def chaotic_worker(lb, random, stop):
    """Takes jobs and answers, fails, breaks the protocol or goes away at any point."""
    while not stop.is_set():
        try:
            slot = Slot(lb.address, warm=random.choice([None, "gcc:14"]))
            for _ in range(random.randrange(6)):
                while (job := slot.receive(1))["type"] == "cancel":
                    pass  # it crossed the end of the job before
                if random.random() < 0.1:
                    break
                while not isinstance(message := slot.receive(1), dict):
                    pass
                if message["type"] == "cancel" or random.random() < 0.1:
                    slot.say(type="error", id=job["id"], problem={"type": "/problems/x", "status": 500})
                    slot.ready()
                    continue
                data = slot.result(job, bytes(random.randrange(3)), b"", [("f", bytes(random.choice([0, 9, 300000])))])
                slot.send_bytes(data[:len(data) - (random.random() < 0.1)])
                if random.random() < 0.1:
                    break
                slot.say(type="end", id=job["id"])
                slot.ready()
        except (OSError, Closed):
            pass
        (reset if random.random() < 0.5 else socket.socket.close)(slot.sock)


def chaotic_client(lb, random, stop):
    """Sends jobs and goes away at any point."""
    accepts = "*/*", "application/json", "application/x-cpio", "text/html"
    while not stop.is_set():
        try:
            sock = send_job(lb, random.choice(accepts), job_body(files=[("f", bytes(random.choice([0, 10, 500000])))]))
            sock.settimeout(random.choice([0.001, 0.01, 0.5]))
            for _ in range(random.randrange(20)):
                sock.recv(65536)
        except OSError:
            pass
        (reset if random.random() < 0.5 else socket.socket.close)(sock)


@test("clients and workers that come and go at random leave nothing behind")
def _():
    with Balancer("--queue-jobs", "6", "--queue-wait-ms", "50") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        answers_pings = Background(control.receive, 600)
        before, stop, seed = lb.settled_fds(), threading.Event(), int(os.environ.get("PE_SEED", "1"))
        busy = [Background(chaotic_worker, lb, Random(seed * 100 + i), stop) for i in range(4)]
        busy += [Background(chaotic_client, lb, Random(seed * 100 + 50 + i), stop) for i in range(10)]
        time.sleep(float(os.environ.get("PE_CHAOS_SECONDS", "3")))
        stop.set()
        for thread in busy:
            thread.done()
        lb.wait_for(status="ok", hosts=1, slots=0, ready=0, queued=0, running=0)
        equal(lb.settled_fds(), before, "file descriptors")
        pending = Background(post, lb)
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0], b"alive")
        equal(pending.done().form()[1][2], b"alive")
        del answers_pings


@test("a connection that was accepted before SIGTERM is still served its first request")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        early = connect(lb.address)
        eventually(lambda: lb.metric("pe_connections") >= 4, "it is accepted")  # worker, slot, this one and the question
        lb.process.send_signal(signal.SIGTERM)
        eventually(lambda: not os.path.exists(lb.path), "the socket is removed")
        early.sendall(job_request())
        slot.answer(slot.take_job()[0], b"early", ready=False)
        equal(b"200 OK" in early.recv(65536), True)
        equal(lb.process.wait(10), 0)


@test("SIGTERM finishes running jobs, takes no new ones and removes the socket")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        idle = Connection(lb.address)
        request(lb, "GET", "/healthz", connection=idle)
        pending = Background(post, lb)
        job, _ = slot.take_job()
        lb.process.send_signal(signal.SIGTERM)
        eventually(lambda: not os.path.exists(lb.path), "the socket is removed")
        refused(post(lb, connection=idle), 503, "no-capacity", "shutting down")
        try:
            connect(lb.tcp).close()
            raise AssertionError("still listening")
        except ConnectionRefusedError:
            pass
        slot.answer(job, b"finished", ready=False)
        equal(pending.done().form()[1][2], b"finished")
        equal(lb.process.wait(10), 0)
        del control


@test("a second signal ends at once")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = send_job(lb)
        slot.take_job()
        lb.process.send_signal(signal.SIGTERM)
        eventually(lambda: not os.path.exists(lb.path), "the first signal is seen")
        equal(lb.process.poll(), None)
        lb.process.send_signal(signal.SIGINT)
        equal(lb.process.wait(5), 0)
        sock.close()
        del control


@test("a stale socket file is replaced, a live one and a plain file are not")
def _():
    with Balancer() as lb:
        def start(where):
            return subprocess.run([PROGRAM, "--listen", where], stderr=subprocess.PIPE, text=True, timeout=10)
        live = start(lb.unix)
        equal((live.returncode, "another process listens" in live.stderr), (1, True), live.stderr)
        plain = start("unix:" + lb.log_path)
        equal((plain.returncode, "not a socket" in plain.stderr), (1, True), plain.stderr)
        stale = os.path.join(lb.folder.name, "stale.sock")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(stale)
        process = subprocess.Popen([PROGRAM, "--listen", "unix:" + stale], stderr=subprocess.DEVNULL)
        eventually(lambda: os.system(f"test -S {stale}") == 0 and can_connect("unix:" + stale), "listening")
        process.terminate()
        equal(process.wait(10), 0)
        equal(os.path.exists(stale), False)
        for wrong in "nonsense", "127.0.0.1:notaport", "unix:", "unix:" + "x" * 200, "127.0.0.1:":
            equal(start(wrong).returncode, 1, wrong)


def can_connect(address):
    try:
        connect(address).close()
        return True
    except OSError:
        return False


@test("--die-with-parent ends pe-lb when its parent is killed")
def _():
    with Balancer() as lb:
        path = os.path.join(lb.folder.name, "child.sock")
        parent = subprocess.Popen(["sh", "-c", f"{PROGRAM} --die-with-parent --listen unix:{path} & wait"],
                                  stderr=subprocess.DEVNULL)
        eventually(lambda: can_connect("unix:" + path), "listening")
        parent.kill()
        parent.wait()
        eventually(lambda: not can_connect("unix:" + path), "gone")
