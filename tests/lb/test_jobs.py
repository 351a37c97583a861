"""Jobs that work: every form of response, streaming, scheduling, large bodies, both kinds of socket."""
import base64
import json
import random
import threading
import time

from harness import BOUNDARY, JOB, Background, Balancer, connect, equal, eventually, job_body, post, request, test
from slotclient import Closed, Host, Slot

MIB = 1 << 20
FILES = [("plain.txt", b"text\n"), ("plots/p%20q.bin", b"\xff\xfe\0"), ("empty", b"")]


def one_job(lb, slot, accept=None, **answer):
    """A job without input, answered by the slot."""
    pending = Background(post, lb, accept=accept)
    got = slot.take_job()
    slot.answer(got[0], **answer)
    return pending.done(), got


def echo_job(lb, slot, files, output, accept=None):
    """A job with input and output files."""
    pending = Background(post, lb, accept=accept, files=files)
    got = slot.take_job()
    slot.answer(got[0], files=output)
    return pending.done(), got


def read_cpio(data):
    entries, at = [], 0
    while True:
        equal(data[at:at + 6], b"070701", f"magic at {at}")
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size - 1]
        at = (at + 110 + name_size + 3) // 4 * 4
        if name == b"TRAILER!!!":
            equal(at, len(data), "end")
            return entries
        entries.append((name, fields[1], data[at:at + size]))
        at = (at + size + 3) // 4 * 4


@test("a job reaches the slot as the client sent it")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        job = {"image": "gcc:14", "cmd": ["sh", "-c", "\u00e9"], "env": {"K": "V=W"}, "stdin": "in put",
               "timeout_ms": 1234, "outputs": ["*.o"], "cache": False}
        files = [("z", b"zzz"), ("in put", b"input"), ("d/\u00e9.c", b""), ("a%b", b"x" * 100000)]
        pending = Background(post, lb, job=job, files=files)
        message, received = slot.take_job()
        slot.answer(message)
        equal(pending.done().status, 200)
        equal(message["job"], job)
        equal(received, [("z", b"zzz"), ("in%20put", b"input"), ("d/%C3%A9.c", b""), ("a%25b", b"x" * 100000)])
        equal(message["queue_us"] >= 0, True)
        control.close()


@test("a result comes as multipart/form-data by default")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        for accept in None, "*/*", "multipart/form-data", "text/html, */*;q=0.1":
            response, (job, _) = one_job(lb, slot, accept, stdout=b"out\r\n", stderr=b"", files=FILES)
            equal(response.status, 200)
            parts = response.form()
            equal(parts[1:], [("stdout", None, b"out\r\n"), ("stderr", None, b""), ("file", "plain.txt", b"text\n"),
                              ("file", "plots/p q.bin", b"\xff\xfe\0"), ("file", "empty", b"")])
            result = json.loads(parts[0][2])
            equal((parts[0][0], result["status"], result["exit_code"], result["cached"]),
                  ("result", "exited", 0, False))
            equal(response.headers["X-Request-Id"], job["id"])
            equal(response.headers["Cache-Control"], "no-store")
            timing = dict(piece.strip().split(";dur=") for piece in response.headers["Server-Timing"].split(","))
            equal(list(timing), ["queue", "vm", "input", "run", "output"])
            equal(float(timing["run"]), 4.0)
        control.close()


@test("a result comes as cpio")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        response, _ = one_job(lb, slot, "application/x-cpio", stdout=b"12345", stderr=b"e", files=FILES)
        equal(response.headers["Content-Type"], "application/x-cpio")
        entries = read_cpio(response.body)
        equal(json.loads(entries[0][2])["status"], "exited")
        equal([(name, data) for name, _, data in entries[1:]],
              [(b"stdout", b"12345"), (b"stderr", b"e"), (b"files/plain.txt", b"text\n"),
               (b"files/plots/p q.bin", b"\xff\xfe\0"), (b"files/empty", b"")])
        equal({oct(mode) for _, mode, _ in entries}, {"0o100644"})
        control.close()


@test("a result comes as JSON: text where it is UTF-8, base64 where not")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        files = FILES + [("bad%FFname", b"x"), ("%C3%A9", b"y")]
        response, _ = one_job(lb, slot, "application/json", stdout=b"\0\xff", stderr="\u00e9\0".encode(), files=files)
        equal(response.headers["Content-Type"], "application/json")
        body = response.json()
        equal((body["status"], body["usage"]["wall_ms"], body["signal"]), ("exited", 1.5, None))
        equal(body["stdout"], {"base64": base64.b64encode(b"\0\xff").decode()})
        equal(body["stderr"], "\u00e9\0")
        equal(body["files"], [
            {"name": "plain.txt", "size": 5, "text": "text\n"},
            {"name": "plots/p q.bin", "size": 3, "base64": "//4A"}, {"name": "empty", "size": 0, "text": ""},
            {"name": "bad\ufffdname", "size": 1, "text": "x", "name_base64": base64.b64encode(b"bad\xffname").decode()},
            {"name": "\u00e9", "size": 1, "text": "y"}])
        control.close()


@test("the client sees stdout before the worker has sent the files")
def _():
    for accept in "multipart/form-data", "application/x-cpio":
        with Balancer() as lb:
            control, slot = lb.worker()
            with connect(lb.address) as sock:
                body = job_body()
                sock.sendall(f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n"
                             f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body)
                job, _ = slot.take_job()
                data = slot.result(job, b"early", b"", [("late", b"~" * 100000)])
                slot.send_bytes(data[:5])
                got = b""
                while b"early" not in got:
                    got += sock.recv(65536)
                slot.send_bytes(data[5:])
                slot.say(type="end", id=job["id"])
                while not got.endswith(b"0\r\n\r\n"):
                    got += sock.recv(65536)
                equal(got.count(b"~"), 100000)
            control.close()


@test("a full-sized job and a full-sized result go through unchanged")
def _():
    with Balancer(unix=False) as lb:
        control, slot = lb.worker()
        random.seed(1)
        source = random.randbytes(8 * MIB)
        files = [("big", source * 3), ("second", source[:-7])]
        output = source + source[:-3]
        for accept in "multipart/form-data", "application/json":
            response, (_, received) = echo_job(lb, slot, files, [("out", output)], accept)
            equal([(name, len(data)) for name, data in received], [(name, len(data)) for name, data in files])
            equal(received == files, True, "input bytes")
            got = response.form()[3][2] if accept.startswith("multi") else \
                base64.b64decode(response.json()["files"][0]["base64"])
            equal(got == output, True, "output bytes")
        control.close()


@test("4096 files go in and come out")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        files = [(f"d{i % 64}/f{i}", b"%d" % i) for i in range(4096)]
        response, (_, received) = echo_job(lb, slot, files, files)
        equal(received, files)
        equal([(name, data) for _, name, data in response.form()[3:]], files)
        control.close()


@test("50 jobs at once over 2 slots each get their own result, and no fd is left")
def _():
    with Balancer() as lb:
        control, *slots = lb.worker(slots=2)
        before = lb.settled_fds()

        def serve(slot):
            try:
                while True:
                    job, files = slot.take_job(60)
                    slot.answer(job, b"<" + files[0][1] + b">")
            except (Closed, OSError):
                pass
        for slot in slots:
            threading.Thread(target=serve, args=(slot,), daemon=True).start()
        pending = [Background(post, lb, files=[("f", b"%d" % i * 1000)]) for i in range(50)]
        for i, call in enumerate(pending):
            equal(call.done(60).form()[1][2], b"<" + b"%d" % i * 1000 + b">")
        equal(lb.settled_fds(), before, "file descriptors")
        control.close()


@test("HTTP/1.0 gets a whole response and a closed connection")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        with connect(lb.address) as sock:
            body = job_body()
            sock.sendall(f"POST /v1/run HTTP/1.0\r\nContent-Length: {len(body)}\r\n"
                         f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body)
            slot.answer(slot.take_job()[0], b"old")
            got = b""
            while data := sock.recv(65536):
                got += data
            equal((b"old" in got, got.endswith(b"--\r\n"), b"chunked" in got), (True, True, False))
        control.close()


@test("a job goes to the slot warm for its image, else to the host used last")
def _():
    with Balancer() as lb:
        hosts = [Host(lb.address, "h1", ["gcc:14"]), Host(lb.address, "h2", ["gcc:14", "perl:5"])]
        cold, warm = Slot(lb.address, "h1"), Slot(lb.address, "h2", warm="gcc:14")
        lb.wait_for(hosts=2, ready=2)
        pending = Background(post, lb)
        warm.answer(warm.take_job()[0], b"warm", ready=False)
        equal(pending.done().form()[1][2], b"warm")
        # h2 was used last now: another slot of it goes before h1's, which has waited longer.
        again = Slot(lb.address, "h2")
        lb.wait_for(ready=2)
        pending = Background(post, lb, job={"image": "gcc@sha256:" + "a" * 64})
        again.answer(again.take_job()[0], b"again", ready=False)
        equal(pending.done().form()[1][2], b"again")
        pending = Background(post, lb)
        cold.answer(cold.take_job()[0], b"cold")
        equal(pending.done().form()[1][2], b"cold")
        del hosts


@test("waiting jobs are served in order, past one whose image no ready slot has")
def _():
    with Balancer() as lb:
        hosts = [Host(lb.address, "h1", ["gcc:14"]), Host(lb.address, "h2", ["perl:5"])]
        lb.wait_for(hosts=2)
        pending = [Background(post, lb, job={"image": "perl:5"})]
        lb.wait_for(queued=1)
        for i in range(3):
            pending.append(Background(post, lb, job={**JOB, "cmd": [str(i)]}))
            lb.wait_for(queued=2 + i)
        slot = Slot(lb.address, "h1")
        for i in range(3):
            job, _ = slot.take_job()
            equal(job["job"]["cmd"], [str(i)])
            slot.answer(job)
            pending[1 + i].done()
        lb.wait_for(queued=1, ready=1)
        other = Slot(lb.address, "h2")
        other.answer(other.take_job()[0])
        equal(pending[0].done().status, 200)
        del hosts


@test("a host without its control connection gets no job, and gets them again when it is back")
def _():
    with Balancer() as lb:
        keeper = Host(lb.address, "h2", ["gcc:14"])
        control, slot = lb.worker()
        control.close()
        lb.wait_for(hosts=1)
        pending = Background(post, lb)
        lb.wait_for(queued=1, ready=1)
        control = Host(lb.address, "h1")
        slot.answer(slot.take_job()[0])
        equal(pending.done().status, 200)
        newer = Host(lb.address, "h1", ["gcc:14", "perl:5"])  # before the old connection was found dead
        eventually(lambda: b"perl" in request(lb, "GET", "/v1/images").body, "the newer hello")
        control.close()
        time.sleep(0.1)
        equal(lb.health()["hosts"], 2)
        del newer, keeper
