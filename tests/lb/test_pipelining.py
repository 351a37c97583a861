"""Connections on which the next request comes while the one before it is being handled."""
from harness import Balancer, connect, equal, job_body, request, test
from slotclient import Closed
from test_faults import job_request

MIB = 1 << 20


def read_answers(sock, count):
    """So many whole multipart answers, as one piece each or in chunks."""
    got = b""
    while got.count(b"--\r\n") < count or not got.endswith((b"--\r\n", b"0\r\n\r\n")):
        piece = sock.recv(65536)
        equal(piece != b"", True, f"hung up after {got[-200:]}")
        got += piece
    return got


def named(name, size=1):
    return job_request(body=job_body(files=[(name, b"x" * size)]))


@test("jobs that a client sends at once on a connection are answered in order")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = connect(lb.address)
        sock.sendall(named("one", 3 * MIB) + named("two", 100000) + named("three"))
        for name, size in ("one", 3 * MIB), ("two", 100000), ("three", 1):
            job, files = slot.take_job()
            equal(files, [(name, b"x" * size)])
            slot.answer(job, f"out of {name}".encode())
        got = read_answers(sock, 3)
        equal([got.find(b"out of " + name) > 0 for name in (b"one", b"two", b"three")], [True] * 3)
        equal(got.find(b"out of one") < got.find(b"out of two") < got.find(b"out of three"), True)
        equal(request(lb, "GET", "/healthz").json()["running"], 0)
        control.close()


@test("a request that comes in pieces while a job runs is put together after it")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = connect(lb.address)
        second = named("two", 70000)
        sock.sendall(named("one"))
        job, _ = slot.take_job()
        for at in 0, 10, 300:
            sock.sendall(second[at:{0: 10, 10: 300, 300: 40000}[at]])
            request(lb, "GET", "/healthz")  # the loop has turned
        slot.answer(job, b"out of one")
        read_answers(sock, 1)
        sock.sendall(second[40000:])
        job, files = slot.take_job()
        equal([len(data) for _, data in files], [70000])
        slot.answer(job, b"out of two")
        equal(b"out of two" in read_answers(sock, 1), True)
        control.close()


@test("a client that sent its next request, and goes away, has its running job canceled")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        sock = connect(lb.address)
        sock.sendall(named("one"))
        job, _ = slot.take_job()
        sock.sendall(named("two", 100))
        request(lb, "GET", "/healthz")
        sock.close()
        equal(slot.receive(), {"type": "cancel", "id": job["id"]})
        slot.say(type="error", id=job["id"], problem={"type": "/problems/canceled", "status": 499})
        slot.ready()
        lb.wait_for(running=0)
        try:
            equal(slot.receive(0.5), None, "the second job is not begun")
        except (TimeoutError, OSError, Closed):
            pass
        control.close()
