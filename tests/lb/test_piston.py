"""Piston's API at the balancer: limits, hosts that come and go, and what a worker may answer."""
import json

from harness import Background, Balancer, connect, equal, eventually, request, test
from slotclient import Closed, Host, Slot, image

RUNTIME = {"language": "c", "version": "14.2.0", "runtime": "gcc", "compile": ["cc", "{files}"], "run": ["./a.out", "{args}"]}
IMAGE = {**image("gcc:14"), "piston": [RUNTIME]}
REQUEST = {"language": "c", "version": "*", "files": [{"name": "a.c", "content": "int x;"}], "stdin": "in", "args": ["1"]}


def execute(lb, body=REQUEST, **headers):
    return request(lb, "POST", "/api/v2/execute", json.dumps(body), {"Content-Type": "application/json", **headers})


def frame(kind, data):
    return kind + len(data).to_bytes(3, "big") + data


def stage(name, out=b"", end=b"end=exited\ncode=0\n"):
    return frame(b"B", name) + (frame(b"o", out) if out else b"") + frame(b"E", end)


def refused(response, status, word):
    equal((response.status, list(response.json())), (status, ["message"]), response.body)
    equal(word in response.json()["message"], True, response.json())


@test("a Piston request goes to a slot as one job of stages, and its report comes back as stages")
def _():
    with Balancer() as lb:
        control, slot = lb.worker(images=[IMAGE])
        for i in range(2):  # the second is run as well: nothing is stored
            pending = Background(execute, lb)
            job, files = slot.take_job()
            equal(files, [("a.c", b"int x;"), (".stdin", b"in\n")])
            equal((job["job"]["image"], job["job"]["cmd"][:4], job["job"]["cmd"][-2:]),
                  ("gcc:14", ["/dev/pe-shim", "stages", ".stdin", "compile"], ["./a.out", "1"]))
            slot.answer(job, stage(b"compile") + stage(b"run", b"out", b"end=exited\ncode=7\nwall_us=1500\n"))
            response = pending.done()
            equal((response.status, response.headers["Content-Type"]), (200, "application/json"))
            answer = response.json()
            equal((answer["run"]["stdout"], answer["run"]["code"], answer["run"]["wall_time"]), ("out", 7, 1.5))
            equal((answer["compile"]["code"], answer["language"], answer["version"]), (0, "c", "14.2.0"))
        control.close()


@test("a Piston client is held to the same rate, and told in its form")
def _():
    with Balancer("--rate", "60", "--burst", "1") as lb:
        control, _ = lb.worker(images=[IMAGE])
        refused(execute(lb, {}), 400, "language")
        response = execute(lb)
        refused(response, 429, "address")
        equal(int(response.headers["Retry-After"]) >= 1, True)
        equal(request(lb, "GET", "/api/v2/runtimes").status, 200)
        control.close()


@test("without a worker host, or a slot in time, a Piston request is 503 and may come again")
def _():
    with Balancer("--queue-wait-ms", "300") as lb:
        response = execute(lb)
        refused(response, 503, "no worker host")
        equal(response.headers["Retry-After"], "5")
        control = Host(lb.address, images=[IMAGE])
        eventually(lambda: request(lb, "GET", "/api/v2/runtimes").json(), "the runtimes")
        response = execute(lb)
        refused(response, 503, "no slot became free")
        equal(int(response.headers["Retry-After"]) >= 1, True)
        control.close()


@test("right after the start a Piston request waits for the host that has its runtime")
def _():
    with Balancer("--gather-ms", "20000") as lb:
        pending = Background(execute, lb)
        other = Host(lb.address, "other", ["busybox:1.35"])
        lb.wait_for(hosts=1)
        control = Host(lb.address, images=[IMAGE])
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0], stage(b"compile", end=b"end=exited\ncode=1\n"))
        answer = pending.done().json()
        equal((answer["run"], answer["run"]["status"]), (answer["compile"], "RE"))
        control.close()
        other.close()


@test("a VM that failed and slots that were lost are errors with a message")
def _():
    with Balancer() as lb:
        control, slot = lb.worker(images=[IMAGE])
        pending = Background(execute, lb)
        slot.answer(slot.take_job()[0], status="vm_error", exit_code=None, reason="it broke")
        refused(pending.done(), 500, "it broke")
        pending = Background(execute, lb)
        job, _ = slot.take_job()
        slot.say(type="error", id=job["id"], problem={"type": "/problems/internal", "status": 500, "title": "t", "detail": "no VM"})
        refused(pending.done(), 500, "no VM")
        lb.wait_for(running=0, queued=0)
        control.close()


@test("a report that is no report is a sandbox that failed")
def _():
    with Balancer() as lb:
        control, slot = lb.worker(images=[IMAGE])
        for report in b"", b"hello\n", b"B\xff\xff\xff", stage(b"run"), stage(b"compile") * 3, frame(b"o", b"x"), b"\0" * 5000:
            pending = Background(execute, lb)
            slot.answer(slot.take_job()[0], report)
            answer = pending.done().json()
            equal((answer["run"]["status"], answer["run"]["stdout"], answer["run"]["code"]), ("XX", "", None), report[:40])
        control.close()


@test("a Piston client that goes away takes its job along")
def _():
    with Balancer() as lb:
        control, slot = lb.worker(images=[IMAGE])
        body = json.dumps(REQUEST).encode()
        sock = connect(lb.address)
        sock.sendall(b"POST /api/v2/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                     + str(len(body)).encode() + b"\r\n\r\n" + body)
        job, _ = slot.take_job()
        sock.close()
        equal(slot.receive(), {"type": "cancel", "id": job["id"]})
        lb.wait_for(running=0)
        control.close()


@test("runtimes of several hosts are listed once, and those of a host that goes are gone")
def _():
    with Balancer() as lb:
        newer = {**image("gcc:15", "b"), "piston": [{**RUNTIME, "version": "15.1.0", "aliases": ["gcc"]}]}
        one = Host(lb.address, "one", [IMAGE, newer])
        two = Host(lb.address, "two", [IMAGE])
        lb.wait_for(hosts=2)
        listed = request(lb, "GET", "/api/v2/runtimes").json()
        equal([(r["version"], r["aliases"], r["runtime"]) for r in listed], [("14.2.0", [], "gcc"), ("15.1.0", ["gcc"], "gcc")])
        one.close()
        lb.wait_for(hosts=1)
        equal([r["version"] for r in request(lb, "GET", "/api/v2/piston/runtimes").json()], ["14.2.0"])
        two.close()


@test("a host whose runtimes are not valid is not taken")
def _():
    with Balancer() as lb:
        for runtime in {**RUNTIME, "run": []}, {**RUNTIME, "version": "14"}, {**RUNTIME, "language": "a\nb"}, 5:
            host = Host(lb.address, images=[{**image("gcc:14"), "piston": [runtime]}])
            try:
                host.receive()
                raise AssertionError(runtime)
            except Closed:
                pass
        equal(lb.health()["hosts"], 0)
