"""Results that are kept and shared: in memory, on disk, in memcached, and while they are being made."""
import os
import signal
import subprocess
import tempfile

from harness import BOUNDARY, Background, Balancer, equal, eventually, free_port, job_body, post, request, test
from slotclient import Host, connect, image
from test_faults import send_job

MIB = 1 << 20
SAME = {"image": "gcc:14", "cmd": ["same"]}


def run(lb, slot, stdout=b"", job=SAME, files=(), **answer):
    """One request that is to reach the slot."""
    pending = Background(post, lb, job=job, files=files)
    slot.answer(slot.take_job()[0], stdout, **answer)
    response = pending.done()
    equal(response.status, 200)
    return response


def result(response):
    return response.form()[0][2]


def cache_status(lb, job=SAME, files=(), headers=None, accept=None):
    all_headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **(headers or {})}
    response = request(lb, "POST", "/v1/run", job_body(job, files), all_headers)
    return response, response.headers["Cache-Status"]


@test("the same job is answered from memory, in every form, and says so")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        first = run(lb, slot, b"made once", files=[("f", b"1")])
        equal(first.headers["Cache-Status"], "program-explorer; fwd=uri-miss; stored")
        equal((b'"cached":false' in result(first), first.headers["Age"]), (True, None))
        again = post(lb, job=SAME, files=[("f", b"1")])
        equal(again.headers["Cache-Status"], "program-explorer; hit")
        equal((b'"cached":true' in result(again), again.form()[1][2]), (True, b"made once"))
        equal((again.headers["ETag"], int(again.headers["Age"]) >= 0), (first.headers["ETag"], True))
        equal(again.headers["Server-Timing"].startswith("cache;desc=hit"), True)
        as_json = post(lb, job=SAME, files=[("f", b"1")], accept="application/json").json()
        equal((as_json["stdout"], as_json["cached"]), ("made once", True))
        equal(b"made once" in post(lb, job=SAME, files=[("f", b"1")], accept="application/x-cpio").body, True)
        control.close()


@test("another file, name, command, time limit or image is another job")
def _():
    with Balancer() as lb:
        control, slot = lb.worker(images=("gcc:14", image("gcc:13", "b")))
        run(lb, slot, b"0", files=[("f", b"1")])
        others = [(SAME, [("f", b"2")]), (SAME, [("g", b"1")]), (SAME, []), (SAME, [("f", b""), ("1", b"")]),
                  ({**SAME, "cmd": ["sa", "me"]}, [("f", b"1")]), ({**SAME, "timeout_ms": 1}, [("f", b"1")]),
                  ({**SAME, "env": {"A": "B"}}, [("f", b"1")]), ({**SAME, "outputs": []}, [("f", b"1")]),
                  ({**SAME, "stdin": "f"}, [("f", b"1")]), ({**SAME, "image": "gcc:13"}, [("f", b"1")])]
        for i, (job, files) in enumerate(others):
            equal(run(lb, slot, b"%d" % i, job, files).form()[1][2], b"%d" % i)
        same = post(lb, job={**SAME, "image": "gcc@sha256:" + "a" * 64}, files=[("f", b"1")])
        equal(same.form()[1][2], b"0")
        control.close()


@test("cache:false and Cache-Control: no-cache go around the cache, and only the latter renews it")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        run(lb, slot, b"old")
        equal(run(lb, slot, b"not kept", {**SAME, "cache": False}).headers["Cache-Status"],
              "program-explorer; fwd=bypass")
        equal(post(lb, job=SAME).form()[1][2], b"old")
        pending = Background(cache_status, lb, headers={"Cache-Control": "no-store"})
        slot.answer(slot.take_job()[0], b"not kept either")
        equal(pending.done()[1], "program-explorer; fwd=bypass")
        equal(post(lb, job=SAME).form()[1][2], b"old")
        pending = Background(cache_status, lb, headers={"Cache-Control": "max-age=0, no-cache"})
        slot.answer(slot.take_job()[0], b"new")
        equal(pending.done()[1], "program-explorer; fwd=request; stored")
        equal(post(lb, job=SAME).form()[1][2], b"new")
        control.close()


@test("only results of programs that ended by themselves or by a signal are kept, and of the image that was meant")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        for status in "timeout", "oom", "output_limit", "vm_error":
            equal(run(lb, slot, status=status).headers["Cache-Status"], "program-explorer; fwd=uri-miss")
        run(lb, slot, image_digest="sha256:" + "c" * 64)
        run(lb, slot, status="signaled", signal=11, exit_code=None)
        equal(b'"signal":11' in result(post(lb, job=SAME)), True)
        control.close()


@test("the same job asked for by several is run once, and the first of them may leave")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        body = job_body(SAME, [("f", bytes(3 * MIB))])
        first = send_job(lb, body=body)
        job = slot.receive()  # and no more: its input has to come from another request
        others = [Background(post, lb, body) for _ in range(3)]
        eventually(lambda: lb.metric("pe_requests_open") == 4, "all are there")
        lb.wait_for(running=1, queued=0)
        first.close()
        got = 0
        while isinstance(message := slot.receive(), bytes):
            got += len(message)
        equal((message["type"], got), ("end", 3 * MIB))
        slot.answer(job, b"for all")
        for call in others:
            response = call.done()
            equal((response.form()[1][2], response.headers["Cache-Status"]),
                  (b"for all", "program-explorer; fwd=uri-miss; collapsed"))
        control.close()


@test("one who joins late gets the beginning, too")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        first = Background(post, lb, job=SAME)
        job, _ = slot.take_job()
        data = slot.result(job, b"x" * 100000, b"", [("f", b"y" * 100000)])
        slot.send_bytes(data[:65536])
        late = Background(post, lb, job=SAME)
        later = Background(post, lb, job=SAME, accept="application/json")
        eventually(lambda: lb.metric("pe_requests_open") == 3, "they are there")
        slot.send_bytes(data[65536:])
        slot.say(type="end", id=job["id"])
        for call in first, late:
            equal([len(data) for _, _, data in call.done().form()[1:]], [100000, 0, 100000])
        equal(later.done().json()["files"][0]["size"], 100000)
        control.close()


@test("when the last who wants a shared job leaves, it is canceled")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        socks = [send_job(lb, body=job_body(SAME)) for _ in range(3)]
        job, _ = slot.take_job()
        eventually(lambda: lb.metric("pe_requests_open") == 3, "all are there")
        for sock in socks:
            sock.close()
        equal(slot.receive(), {"type": "cancel", "id": job["id"]})
        lb.wait_for(running=0)
        control.close()


@test("memory holds no more results than it may, and the one unused for longest goes")
def _():
    with Balancer("--cache-mib", "1") as lb:
        control, slot = lb.worker()
        jobs = [{**SAME, "cmd": [str(i)]} for i in range(16)]
        for job in jobs:
            run(lb, slot, bytes(100000), job)
            post(lb, job=jobs[0])  # used all the time
        equal(lb.metric("pe_cache_bytes") <= MIB, True)
        equal(lb.metric("pe_cache_evicted_total") >= 3, True)
        equal(post(lb, job=jobs[0]).headers["Cache-Status"], "program-explorer; hit")
        equal(post(lb, job=jobs[15]).headers["Cache-Status"], "program-explorer; hit")
        run(lb, slot, b"", jobs[1])
        run(lb, slot, bytes(200000), {**SAME, "cmd": ["too large to keep"]})
        run(lb, slot, bytes(200000), {**SAME, "cmd": ["too large to keep"]})
        control.close()


@test("results on disk outlive kill -9 and a damaged file costs only what was in it")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        kept = os.path.join(folder, "cache")
        with Balancer("--cache-dir", kept) as lb:
            control, slot = lb.worker()
            run(lb, slot, b"kept", files=[("f", b"x")])
            stored(lb, slot)
            lb.process.kill()
            lb.process.wait()
            lb.process.returncode = 0
        with Balancer("--cache-dir", kept) as lb:
            control = Host(lb.address)
            lb.wait_for(hosts=1)
            response = post(lb, job=SAME, files=[("f", b"x")])
            equal((response.form()[1][2], response.headers["Cache-Status"]),
                  (b"kept", "program-explorer; hit; detail=store"))
            equal(post(lb, job=SAME, files=[("f", b"x")]).headers["Cache-Status"], "program-explorer; hit")
        with open(os.path.join(kept, "data.mdb"), "r+b") as file:
            file.write(b"\xff" * 16384)
        with Balancer("--cache-dir", kept) as lb:
            control, slot = lb.worker()
            run(lb, slot, b"anew", files=[("f", b"x")])
            control.close()


def stored(lb, slot):
    """Until the store keeper has what it was given: its answer about another job comes after that."""
    before = lb.metric("pe_store_misses_total")
    run(lb, slot, job={**SAME, "cmd": ["another"], "env": {"N": str(before)}})
    equal(lb.metric("pe_store_misses_total") > before, True)


@test("the cache on disk keeps to its size")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        with Balancer("--cache-dir", folder, "--cache-disk-mib", "4", "--cache-mib", "8") as lb:
            control, slot = lb.worker()
            for i in range(40):
                run(lb, slot, os.urandom(300000), {**SAME, "cmd": [str(i)]})
            stored(lb, slot)
            equal(os.stat(os.path.join(folder, "data.mdb")).st_blocks * 512 < 12 * MIB, True)
            control.close()
        with Balancer("--cache-dir", folder, "--cache-disk-mib", "4") as lb:
            control = Host(lb.address)
            lb.wait_for(hosts=1)
            equal(post(lb, job={**SAME, "cmd": ["39"]}).headers["Cache-Status"], "program-explorer; hit; detail=store")
            sock = send_job(lb, body=job_body({**SAME, "cmd": ["0"]}))
            lb.wait_for(queued=1)
            sock.close()
            del control


class Memcached:
    def __init__(self):
        self.where = f"127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", self.where.split(":")[1]])
        eventually(self.answers, "memcached")

    def answers(self):
        try:
            connect(self.where).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


@test("two balancers share results through memcached, and do without when it is gone")
def _():
    memcached = Memcached()
    try:
        with Balancer("--memcached", memcached.where) as one, Balancer("--memcached", memcached.where) as two:
            control, slot = one.worker()
            other = Host(two.address)
            two.wait_for(hosts=1)
            run(one, slot, b"shared", files=[("f", b"x")])
            stored(one, slot)
            response = post(two, job=SAME, files=[("f", b"x")])
            equal((response.form()[1][2], response.headers["Cache-Status"]),
                  (b"shared", "program-explorer; hit; detail=store"))
            memcached.stop()
            run(one, slot, b"alone", {**SAME, "cmd": ["without"]})
            control.close()
            del other
    finally:
        memcached.stop()


@test("a store keeper that is killed is started again, and jobs go on meanwhile")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        with Balancer("--cache-dir", folder) as lb:
            control, slot = lb.worker()
            keeper = int(subprocess.check_output(["pgrep", "-P", str(lb.process.pid)]))
            os.kill(keeper, signal.SIGKILL)
            for i in range(3):
                run(lb, slot, b"%d" % i, {**SAME, "cmd": [str(i)]})
            eventually(lambda: subprocess.run(["pgrep", "-P", str(lb.process.pid)], stdout=subprocess.DEVNULL).returncode == 0,
                       "a new keeper")
            run(lb, slot, b"again", {**SAME, "cmd": ["again"]})
            stored(lb, slot)
            control.close()
