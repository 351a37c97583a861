# SPDX-License-Identifier: Apache-2.0
"""Results that are kept and shared: in memory, on disk, in memcached, and while they are made."""
import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading

import pytest

from fixtures import processes
from fixtures.http_client import SAME, FORM, assert_refused, job_body
from fixtures.paths import program
from fixtures.stand_in_worker import Registration, Slot, image
from fixtures.waiting import PATIENCE, Background, eventually


MIB = 1 << 20


def result(response):
    return response.form()[0][2]


def cache_status(balancer, job=SAME, files=(), headers=None, accept=None):
    all_headers = {"Content-Type": FORM, **(headers or {})}
    response = balancer.request("POST", "/v1/run", job_body(job, files), all_headers)
    return response, response.headers["Cache-Status"]


def check_that_they_share_nothing(balancer, one, other):
    """Requests with the headers `one` and `other` share neither jobs nor results."""
    registration, slot = balancer.worker()
    first = Background(balancer.post, job=SAME, headers=one)
    job, _ = slot.take_job()
    second = Background(balancer.post, job=SAME, headers=other)
    balancer.wait_for(queued=1)  # it has not joined the first one
    slot.answer(job, b"first")
    slot.answer(slot.take_job()[0], b"second")
    for pending in first, second:
        assert pending.done().headers["Cache-Status"] == "program-explorer; fwd=uri-miss; stored"
    for headers, output in (one, b"first"), (other, b"second"), (one, b"first"):
        response, status = cache_status(balancer, headers=headers)
        assert (status, response.form()[1][2]) == ("program-explorer; hit", output)


def test_requests_with_different_salts_share_neither_results_nor_jobs(balancer):
    check_that_they_share_nothing(balancer, {"X-Cache-Salt": "mine"}, {})
    refused = balancer.post(job=SAME, headers={"X-Cache-Salt": "x" * 257})
    assert_refused(refused, 400, "malformed-request", "X-Cache-Salt")


def test_clients_share_neither_results_nor_jobs_if_the_operator_wants_that(start_balancer):
    balancer = start_balancer("--cache-per-client", "--trusted-proxy", "unix")
    check_that_they_share_nothing(
        balancer, {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    )


def test_an_identical_job_is_answered_from_memory_in_every_form_and_says_so(balancer):
    registration, slot = balancer.worker()
    first = balancer.run_on(slot, b"made once", files=[("f", b"1")])
    assert first.headers["Cache-Status"] == "program-explorer; fwd=uri-miss; stored"
    assert b'"cached":false' in result(first)
    assert first.headers["Age"] is None
    again = balancer.post(job=SAME, files=[("f", b"1")])
    assert again.headers["Cache-Status"] == "program-explorer; hit"
    assert b'"cached":true' in result(again)
    assert again.form()[1][2] == b"made once"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert int(again.headers["Age"]) >= 0
    assert again.headers["Server-Timing"].startswith("cache;desc=hit")
    as_json = balancer.post(job=SAME, files=[("f", b"1")], accept="application/json").json()
    assert as_json["stdout"] == "made once"
    assert as_json["cached"]
    assert (
        b"made once"
        in balancer.post(job=SAME, files=[("f", b"1")], accept="application/x-cpio").body
    )


def test_another_file_name_command_time_limit_or_image_is_another_job(balancer):
    registration, slot = balancer.worker(images=("gcc:14", image("gcc:13", "b")))
    balancer.run_on(slot, b"0", files=[("f", b"1")])
    others = [
        (SAME, [("f", b"2")]),
        (SAME, [("g", b"1")]),
        (SAME, []),
        (SAME, [("f", b""), ("1", b"")]),
        ({**SAME, "cmd": ["sa", "me"]}, [("f", b"1")]),
        ({**SAME, "timeout_ms": 1}, [("f", b"1")]),
        ({**SAME, "env": {"A": "B"}}, [("f", b"1")]),
        ({**SAME, "outputs": []}, [("f", b"1")]),
        ({**SAME, "stdin": "f"}, [("f", b"1")]),
        ({**SAME, "on_output_limit": "stop"}, [("f", b"1")]),
        ({**SAME, "stdout_max": 1}, [("f", b"1")]),
        ({**SAME, "stderr_max": 1}, [("f", b"1")]),
        ({**SAME, "image": "gcc:13"}, [("f", b"1")]),
    ]
    for i, (job, files) in enumerate(others):
        assert balancer.run_on(slot, b"%d" % i, job, files).form()[1][2] == b"%d" % i
    same = balancer.post(job={**SAME, "image": "gcc@sha256:" + "a" * 64}, files=[("f", b"1")])
    assert same.form()[1][2] == b"0"


def test_cache_false_and_no_cache_bypass_the_cache_and_only_no_cache_renews_it(balancer):
    registration, slot = balancer.worker()
    balancer.run_on(slot, b"old")
    assert (
        balancer.run_on(slot, b"not kept", {**SAME, "cache": False}).headers["Cache-Status"]
        == "program-explorer; fwd=bypass"
    )
    assert balancer.post(job=SAME).form()[1][2] == b"old"
    pending = Background(cache_status, balancer, headers={"Cache-Control": "no-store"})
    slot.answer(slot.take_job()[0], b"not kept either")
    assert pending.done()[1] == "program-explorer; fwd=bypass"
    assert balancer.post(job=SAME).form()[1][2] == b"old"
    pending = Background(cache_status, balancer, headers={"Cache-Control": "max-age=0, no-cache"})
    slot.answer(slot.take_job()[0], b"new")
    assert pending.done()[1] == "program-explorer; fwd=request; stored"
    assert balancer.post(job=SAME).form()[1][2] == b"new"


def test_only_results_of_programs_that_exited_or_got_a_signal_are_kept(balancer):
    registration, slot = balancer.worker()
    for status in "timeout", "oom", "output_limit", "stream_limit", "vm_error":
        assert (
            balancer.run_on(slot, status=status).headers["Cache-Status"]
            == "program-explorer; fwd=uri-miss"
        )
    balancer.run_on(slot, image_digest="sha256:" + "c" * 64)
    balancer.run_on(slot, status="signaled", signal=11, exit_code=None)
    assert b'"signal":11' in result(balancer.post(job=SAME))


def test_identical_jobs_are_run_once_and_the_first_client_may_leave(balancer):
    registration, slot = balancer.worker()
    body = job_body(SAME, [("f", bytes(3 * MIB))])
    first = balancer.send_job(body=body)
    job = slot.receive()  # and no more: its input has to come from another request
    others = [Background(balancer.post, body) for _ in range(3)]
    eventually(lambda: balancer.metric("pe_requests_open") == 4, "all are there")
    balancer.wait_for(running=1, queued=0)
    first.close()
    got = 0
    while isinstance(message := slot.receive(), bytes):
        got += len(message)
    assert message["type"] == "end"
    assert got == 3 * MIB
    slot.answer(job, b"for all")
    for call in others:
        response = call.done()
        assert response.form()[1][2] == b"for all"
        assert response.headers["Cache-Status"] == "program-explorer; fwd=uri-miss; collapsed"


def test_a_client_that_joins_a_running_job_late_gets_all_of_its_output(balancer):
    registration, slot = balancer.worker()
    first = Background(balancer.post, job=SAME)
    job, _ = slot.take_job()
    data = slot.result(job, b"x" * 100000, b"", [("f", b"y" * 100000)])
    slot.send_bytes(data[:65536])
    late = Background(balancer.post, job=SAME)
    later = Background(balancer.post, job=SAME, accept="application/json")
    eventually(lambda: balancer.metric("pe_requests_open") == 3, "they are there")
    slot.send_bytes(data[65536:])
    slot.send_message(type="end", id=job["id"])
    for call in first, late:
        assert [len(data) for _, _, data in call.done().form()[1:]] == [100000, 0, 100000]
    assert later.done().json()["files"][0]["size"] == 100000


def test_a_shared_job_is_canceled_when_its_last_client_leaves(balancer):
    registration, slot = balancer.worker()
    socks = [balancer.send_job(body=job_body(SAME)) for _ in range(3)]
    job, _ = slot.take_job()
    eventually(lambda: balancer.metric("pe_requests_open") == 3, "all are there")
    for sock in socks:
        sock.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    balancer.wait_for(running=0)


def test_the_memory_cache_keeps_to_its_size_and_evicts_the_least_recently_used(start_balancer):
    balancer = start_balancer("--cache-mib", "1")
    registration, slot = balancer.worker()
    jobs = [{**SAME, "cmd": [str(i)]} for i in range(16)]
    for job in jobs:
        balancer.run_on(slot, bytes(100000), job)
        balancer.post(job=jobs[0])  # used all the time
    assert balancer.metric("pe_cache_bytes") <= MIB
    assert balancer.metric("pe_cache_evicted_total") >= 3
    assert balancer.post(job=jobs[0]).headers["Cache-Status"] == "program-explorer; hit"
    assert balancer.post(job=jobs[15]).headers["Cache-Status"] == "program-explorer; hit"
    balancer.run_on(slot, b"", jobs[1])
    balancer.run_on(slot, bytes(200000), {**SAME, "cmd": ["too large to keep"]})
    balancer.run_on(slot, bytes(200000), {**SAME, "cmd": ["too large to keep"]})


def test_results_on_disk_survive_kill_9_and_a_damaged_file_loses_only_its_results(
    start_balancer, tmp_path
):
    kept = str(tmp_path / "cache")
    balancer = start_balancer("--cache-dir", kept)
    registration, slot = balancer.worker()
    balancer.run_on(slot, b"kept", files=[("f", b"x")])
    stored(balancer, slot)
    balancer.kill()
    balancer.end()
    balancer = start_balancer("--cache-dir", kept, "--queue-wait-ms", "1000")
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    assert from_store(balancer, SAME, [("f", b"x")]).form()[1][2] == b"kept"
    assert (
        balancer.post(job=SAME, files=[("f", b"x")]).headers["Cache-Status"]
        == "program-explorer; hit"
    )
    balancer.end()
    with open(os.path.join(kept, "data.mdb"), "r+b") as file:
        file.write(b"\xff" * 16384)
    balancer = start_balancer("--cache-dir", kept)
    registration, slot = balancer.worker()
    balancer.run_on(slot, b"made again", files=[("f", b"x")])


def test_a_result_on_disk_is_no_answer_to_a_job_that_demands_another_isolation(
    start_balancer, tmp_path
):
    balancer = start_balancer("--cache-dir", str(tmp_path))
    registration, slot = balancer.worker(isolation="kernel")
    balancer.run_on(slot, b"weak")
    stored(balancer, slot)
    balancer.end()
    balancer = start_balancer("--cache-dir", str(tmp_path))
    balancer.register(host="weak", isolation="kernel")
    registration, slot = balancer.worker(host="strong", isolation="hardware")
    strong = {**SAME, "isolation": "hardware"}
    assert balancer.run_on(slot, b"strong", strong).form()[1][2] == b"strong"
    stored(balancer, slot)
    balancer.end()
    balancer = start_balancer("--cache-dir", str(tmp_path), "--queue-wait-ms", "1000")
    balancer.register(isolation="hardware")
    balancer.wait_for(hosts=1)
    assert from_store(balancer, strong).form()[1][2] == b"strong"


def stored(balancer, slot):
    """Wait until the store keeper has what it was given: it has answered a later question then."""
    before = balancer.metric("pe_store_misses_total")
    job = {**SAME, "cmd": ["another"]}

    def answered():
        balancer.run_on(slot, job={**job, "env": {"N": secrets.token_hex()}})
        return balancer.metric("pe_store_misses_total") > before

    eventually(answered, "an answer of the store keeper")


def from_store(balancer, job, files=()):
    """The response that comes from the store. A lookup that takes too long counts as a miss, and
    then there is no slot to run the job, so the request is repeated."""

    def hit():
        response = balancer.post(job=job, files=files)
        return (
            response.headers["Cache-Status"] == "program-explorer; hit; detail=store" and response
        )

    return eventually(hit, "a result from the store")


def test_the_cache_on_disk_keeps_to_its_size(start_balancer, tmp_path):
    balancer = start_balancer(
        "--cache-dir", str(tmp_path), "--cache-disk-mib", "4", "--cache-mib", "8"
    )
    registration, slot = balancer.worker()
    for i in range(40):
        balancer.run_on(slot, os.urandom(300000), {**SAME, "cmd": [str(i)]})
    stored(balancer, slot)
    assert os.stat(os.path.join(tmp_path, "data.mdb")).st_blocks * 512 < 12 * MIB
    registration.close()
    balancer.end()
    balancer = start_balancer(
        "--cache-dir", str(tmp_path), "--cache-disk-mib", "4", "--queue-wait-ms", "2000"
    )
    registration = balancer.register()
    balancer.wait_for(hosts=1)
    from_store(balancer, {**SAME, "cmd": ["39"]})
    assert balancer.post(job={**SAME, "cmd": ["0"]}).status == 503, "there is no slot to run it"


class Memcached:
    """A memcached on a port that it chooses itself."""

    def __init__(self, folder):
        ports = folder / "ports"
        argv = ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", "-1", "-U", "0"]
        self.process = processes.start(
            argv, env={**os.environ, "MEMCACHED_PORT_FILENAME": str(ports)}
        )
        text = eventually(lambda: ports.exists() and ports.read_text(), "memcached's port")
        self.address = "127.0.0.1:" + re.search(r"TCP INET: (\d+)", text)[1]

    def end(self):
        processes.end(self.process)


@pytest.fixture
def memcached(tmp_path):
    memcached = Memcached(tmp_path)
    yield memcached
    memcached.end()


def test_two_balancers_share_results_through_memcached_and_work_without_it(
    start_balancer, memcached
):
    one = start_balancer("--memcached", memcached.address)
    two = start_balancer("--memcached", memcached.address, "--queue-wait-ms", "1000")
    registration, slot = one.worker()
    other = Registration(two.address)
    two.wait_for(hosts=1)
    one.run_on(slot, b"shared", files=[("f", b"x")])
    stored(one, slot)
    assert from_store(two, SAME, [("f", b"x")]).form()[1][2] == b"shared"
    memcached.end()
    one.run_on(slot, b"alone", {**SAME, "cmd": ["without"]})
    other.close()


class Redis:
    """A Redis on a UNIX socket, with a password."""

    def __init__(self, folder):
        self.path, self.password_file = str(folder / "redis"), str(folder / "password")
        with open(self.password_file, "w", encoding="ascii") as file:
            file.write("secret\n")
        os.chmod(self.password_file, 0o600)
        options = ["--port", "0", "--unixsocket", self.path, "--requirepass", "secret"]
        self.process = processes.start(
            ["redis-server", *options, "--save", "", "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda: os.path.exists(self.path), "Redis listens")
        self.options = (
            "--redis",
            f"unix:{self.path}",
            "--redis-password-file",
            self.password_file,
        )

    def end(self):
        processes.end(self.process)


@pytest.fixture
def redis(tmp_path):
    redis = Redis(tmp_path)
    yield redis
    redis.end()


def test_two_balancers_share_results_through_redis_and_work_without_it(start_balancer, redis):
    one = start_balancer(*redis.options)
    two = start_balancer(*redis.options, "--queue-wait-ms", "1000")
    registration, slot = one.worker()
    other = Registration(two.address)
    two.wait_for(hosts=1)
    one.run_on(slot, b"shared", files=[("f", b"x")])
    stored(one, slot)
    assert from_store(two, SAME, [("f", b"x")]).form()[1][2] == b"shared"
    redis.end()
    one.run_on(slot, b"alone", {**SAME, "cmd": ["without"]})
    other.close()


def test_a_deleted_result_is_deleted_in_redis_too(start_balancer, redis):
    one = start_balancer(*redis.options)
    registration, slot = one.worker()
    key = one.run_on(slot, b"first").headers["X-Result-Key"]
    stored(one, slot)
    assert one.request("DELETE", f"/v1/results/{key}").status == 204
    one.run_on(slot, b"second")  # it runs: nobody has its result
    two = start_balancer(*redis.options, "--queue-wait-ms", "1000")
    other = Registration(two.address)
    two.wait_for(hosts=1)
    stored(one, slot)
    assert from_store(two, SAME).form()[1][2] == b"second"
    other.close()


def test_a_redis_that_answers_with_the_result_of_another_job_is_not_believed(start_balancer, redis):
    one = start_balancer(*redis.options)
    registration, slot = one.worker()
    other = {**SAME, "cmd": ["other"]}
    wanted = one.run_on(slot, b"wanted").headers["X-Result-Key"]
    stored(one, slot)
    lie = one.run_on(slot, b"a lie", other).headers["X-Result-Key"]
    stored(one, slot)
    command = ["redis-cli", "-s", redis.path, "-a", "secret", "--no-auth-warning"]
    eventually(
        lambda: subprocess.check_output([*command, "exists", "pe:" + lie]).strip() == b"1", "it is there"
    )
    subprocess.check_output([*command, "rename", "pe:" + lie, "pe:" + wanted])
    two = start_balancer(*redis.options)
    registration, slot = two.worker()
    assert two.run_on(slot, b"run again").form()[1][2] == b"run again"
    two.wait_for_log("a stored result is truncated, damaged or of another job")


@pytest.mark.parametrize("options, most", [((), 604800), (("--keep-results-min", "10"), 600)])
def test_a_result_in_redis_expires(start_balancer, redis, options, most):
    balancer = start_balancer(*redis.options, *options)
    registration, slot = balancer.worker()
    key = balancer.run_on(slot).headers["X-Result-Key"]
    stored(balancer, slot)
    command = ["redis-cli", "-s", redis.path, "-a", "secret", "--no-auth-warning", "ttl"]
    left = int(subprocess.check_output([*command, "pe:" + key]))
    assert most - 60 <= left <= most


def test_a_result_in_memcached_expires(start_balancer, memcached):
    balancer = start_balancer("--memcached", memcached.address, "--keep-results-min", "10")
    registration, slot = balancer.worker()
    key = balancer.run_on(slot).headers["X-Result-Key"]
    stored(balancer, slot)
    host, port = memcached.address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"mg pe:{key} t\r\n".encode())
        answer = connection.recv(100).decode()
    assert 540 <= int(answer.removeprefix("HD t")) <= 600


def test_a_wrong_password_of_redis_is_reported_and_jobs_continue(start_balancer, redis):
    with open(redis.password_file, "w", encoding="ascii") as file:
        file.write("wrong\n")
    balancer = start_balancer(*redis.options)
    registration, slot = balancer.worker()
    balancer.run_on(slot, b"works")
    balancer.wait_for_log("it answered WRONGPASS")


@pytest.mark.parametrize(
    "reply",
    [
        b"$5\r\nnoise\r\n",
        b"$1000000\r\n",
        b"$99999999999\r\n",
        b"$-1\r\n$5\r\nextra\r\n",
        b":1\r\n",
        b"x" * 10000,
        b"",
    ],
)
def test_a_hostile_redis_has_no_results_and_stops_no_job(start_balancer, reply):
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(OSError):
                while sock.recv(1 << 20):
                    sock.sendall(reply)
                    if not reply:
                        break

    threading.Thread(target=answer, daemon=True).start()
    balancer = start_balancer("--redis", f"127.0.0.1:{listener.getsockname()[1]}")
    registration, slot = balancer.worker()
    for i in range(3):
        balancer.run_on(slot, b"%d" % i, {**SAME, "cmd": [str(i)]})
    listener.close()


def test_memcached_and_redis_are_not_used_together():
    done = subprocess.run(
        [program("pe-lb"), "--listen", "127.0.0.1:0", "--redis", "x", "--memcached", "x"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "--memcached and --redis cannot be used together" in done.stderr


def test_a_store_keeper_that_is_killed_is_restarted_and_jobs_continue(start_balancer, tmp_path):
    balancer = start_balancer("--cache-dir", str(tmp_path))
    registration, slot = balancer.worker()
    (keeper,) = processes.descendants(balancer.process.pid)
    os.kill(keeper, signal.SIGKILL)
    for i in range(3):
        balancer.run_on(slot, b"%d" % i, {**SAME, "cmd": [str(i)]})
    eventually(lambda: processes.descendants(balancer.process.pid) - {keeper}, "a new store keeper")
    balancer.run_on(slot, b"again", {**SAME, "cmd": ["again"]})
    stored(balancer, slot)


def test_a_balancer_exits_while_its_store_keeper_answers_and_stores(start_balancer, tmp_path):
    large = os.urandom(2 * MIB)  # more than the socket between the two holds
    balancer = start_balancer("--cache-dir", str(tmp_path))
    registration, slot = balancer.worker()
    balancer.run_on(slot, large)
    stored(balancer, slot)
    balancer.end()
    balancer = start_balancer("--cache-dir", str(tmp_path))
    registration, slot = balancer.worker()
    (keeper,) = processes.descendants(balancer.process.pid)
    os.kill(keeper, signal.SIGSTOP)
    try:
        balancer.run_on(slot, large)  # the lookup takes too long, and the result is queued behind it
        balancer.process.send_signal(signal.SIGTERM)
        eventually(lambda: not os.path.exists(balancer.path), "the balancer is ending")
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert balancer.process.wait(PATIENCE) == 0
    assert "were not stored" not in balancer.log()


def test_an_image_with_another_environment_is_not_answered_from_the_cache(balancer):
    registration, slot = balancer.worker(images=[{**image("gcc:14"), "env": ["A=1"]}])
    balancer.run_on(slot, b"first", SAME)
    for _ in range(2):  # the second is found by the hash of the whole request
        assert balancer.post(job=SAME).form()[1][2] == b"first"
    registration.hello("h1", [{**image("gcc:14"), "env": ["A=2"]}])
    eventually(
        lambda: "A=2" in str(balancer.request("GET", "/v1/images").json()), "the image has changed"
    )
    assert balancer.run_on(slot, b"second", SAME).form()[1][2] == b"second"
    assert balancer.post(job=SAME).form()[1][2] == b"second"


def test_a_result_of_another_image_than_the_one_it_was_looked_up_with_is_not_kept(balancer):
    balancer.register("h1", [{**image("gcc:14"), "env": ["A=1"]}])  # it has no slots
    balancer.wait_for(hosts=1)
    registration, slot = balancer.worker(host="h2", images=[{**image("gcc:14"), "env": ["A=2"]}])
    assert balancer.run_on(slot, b"of h2", SAME).form()[1][2] == b"of h2"
    registration.hello("h2", [image("busybox:1.35")])  # now only h1 has it
    other = Slot(balancer.address, "h1")
    eventually(lambda: "A=2" not in str(balancer.request("GET", "/v1/images").json()), "the change")
    balancer.wait_for(ready=2)
    assert balancer.run_on(other, b"of h1", SAME).form()[1][2] == b"of h1"
