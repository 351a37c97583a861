# SPDX-License-Identifier: Apache-2.0
"""Piston's API at the balancer: limits, workers that join and leave, and invalid reports."""
import gzip
import json
import pathlib
import subprocess
import zlib

import pytest

from fixtures.paths import TOP, program
from fixtures.stand_in_worker import Closed, Slot, connect, image
from fixtures.waiting import Background, eventually


RUNTIME = {
    "language": "c",
    "version": "14.2.0",
    "runtime": "gcc",
    "compile": ["cc", "{files}"],
    "run": ["./a.out", "{args}"],
}
IMAGE = {**image("gcc:14"), "piston": [RUNTIME]}
REQUEST = {
    "language": "c",
    "version": "*",
    "files": [{"name": "a.c", "content": "int x;"}],
    "stdin": "in",
    "args": ["1"],
}


def execute(balancer, body=REQUEST, **headers):
    return balancer.request(
        "POST", "/api/v2/execute", json.dumps(body), {"Content-Type": "application/json", **headers}
    )


def frame(kind, data):
    return kind + len(data).to_bytes(3, "big") + data


def stage(name, out=b"", end=b"end=exited\ncode=0\n"):
    return frame(b"B", name) + (frame(b"o", out) if out else b"") + frame(b"E", end)


def assert_refused_with_message(response, status, word):
    assert response.status == status, response.body
    assert list(response.json()) == ["message"], response.body
    assert word in response.json()["message"], response.json()


def test_a_piston_request_is_one_job_of_stages_and_its_report_is_returned_as_stages(balancer):
    registration, slot = balancer.worker(images=[IMAGE])
    for i in range(2):  # the second is run as well: nothing is stored
        pending = Background(execute, balancer)
        job, files = slot.take_job()
        assert files == [("a.c", b"int x;"), (".stdin", b"in\n")]
        assert job["job"]["image"] == "gcc:14"
        assert job["job"]["cmd"][:4] == ["/dev/pe-shim", "stages", ".stdin", "compile"]
        assert job["job"]["cmd"][-2:] == ["./a.out", "1"]
        slot.answer(
            job, stage(b"compile") + stage(b"run", b"out", b"end=exited\ncode=7\nwall_us=1500\n")
        )
        response = pending.done()
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        answer = response.json()
        assert answer["run"]["stdout"] == "out"
        assert answer["run"]["code"] == 7
        assert answer["run"]["wall_time"] == 1.5
        assert answer["compile"]["code"] == 0
        assert answer["language"] == "c"
        assert answer["version"] == "14.2.0"


def test_a_piston_client_has_the_same_rate_limit_and_gets_a_piston_error(start_balancer):
    balancer = start_balancer("--rate", "6", "--burst", "1")
    registration, _ = balancer.worker(images=[IMAGE])
    assert_refused_with_message(execute(balancer, {}), 400, "language")
    response = execute(balancer)
    assert_refused_with_message(response, 429, "address")
    assert int(response.headers["Retry-After"]) >= 1
    assert balancer.request("GET", "/api/v2/runtimes").status == 200


def test_without_a_worker_or_a_free_slot_a_piston_request_is_503_with_retry_after(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "300")
    response = execute(balancer)
    assert_refused_with_message(response, 503, "no worker is connected")
    assert response.headers["Retry-After"] == "5"
    balancer.register(images=[IMAGE])
    eventually(lambda: balancer.request("GET", "/api/v2/runtimes").json(), "the runtimes")
    response = execute(balancer)
    assert_refused_with_message(response, 503, "no slot became free")
    assert int(response.headers["Retry-After"]) >= 1


def test_right_after_the_start_a_piston_request_waits_for_a_worker_with_its_runtime(start_balancer):
    balancer = start_balancer("--gather-ms", "120000")
    pending = Background(execute, balancer)
    other = balancer.register("other", ["busybox:1.35"])
    balancer.wait_for(hosts=1)
    registration = balancer.register(images=[IMAGE])
    slot = Slot(balancer.address)
    slot.answer(slot.take_job()[0], stage(b"compile", end=b"end=exited\ncode=1\n"))
    answer = pending.done().json()
    assert answer["run"] == answer["compile"]
    assert answer["run"]["status"] == "RE"
    registration.close()
    other.close()


def test_a_failed_vm_and_lost_slots_are_piston_errors_with_a_message(balancer):
    registration, slot = balancer.worker(images=[IMAGE])
    pending = Background(execute, balancer)
    slot.answer(slot.take_job()[0], status="vm_error", exit_code=None, reason="it broke")
    assert_refused_with_message(pending.done(), 500, "it broke")
    pending = Background(execute, balancer)
    job, _ = slot.take_job()
    slot.send_message(
        type="error",
        id=job["id"],
        problem={"type": "/problems/internal", "status": 500, "title": "t", "detail": "no VM"},
    )
    assert_refused_with_message(pending.done(), 500, "no VM")
    balancer.wait_for(running=0, queued=0)


def test_a_malformed_stage_report_is_a_failure_of_the_sandbox(balancer):
    registration, slot = balancer.worker(images=[IMAGE])
    for report in (
        b"",
        b"hello\n",
        b"B\xff\xff\xff",
        stage(b"run"),
        stage(b"compile") * 3,
        frame(b"o", b"x"),
        b"\0" * 5000,
    ):
        pending = Background(execute, balancer)
        slot.answer(slot.take_job()[0], report)
        answer = pending.done().json()
        assert answer["run"]["status"] == "XX", report[:40]
        assert answer["run"]["stdout"] == "", report[:40]
        assert answer["run"]["code"] is None, report[:40]


def test_a_piston_client_that_leaves_cancels_its_job(balancer):
    registration, slot = balancer.worker(images=[IMAGE])
    body = json.dumps(REQUEST).encode()
    sock = connect(balancer.address)
    sock.sendall(
        b"POST /api/v2/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        + str(len(body)).encode()
        + b"\r\n\r\n"
        + body
    )
    job, _ = slot.take_job()
    sock.close()
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    balancer.wait_for(running=0)


def test_runtimes_of_several_workers_are_listed_once_and_only_while_a_worker_has_them(balancer):
    newer = {
        **image("gcc:15", "b"),
        "piston": [{**RUNTIME, "version": "15.1.0", "aliases": ["gcc"]}],
    }
    one = balancer.register("one", [IMAGE, newer])
    two = balancer.register("two", [IMAGE])
    balancer.wait_for(hosts=2)
    listed = balancer.request("GET", "/api/v2/runtimes").json()
    assert [(r["version"], r["aliases"], r["runtime"]) for r in listed] == [
        ("14.2.0", [], "gcc"),
        ("15.1.0", ["gcc"], "gcc"),
    ]
    one.close()
    balancer.wait_for(hosts=1)
    assert [r["version"] for r in balancer.request("GET", "/api/v2/piston/runtimes").json()] == [
        "14.2.0"
    ]
    two.close()


def test_a_worker_whose_runtimes_are_not_valid_is_refused(balancer):
    for runtime in (
        {**RUNTIME, "run": []},
        {**RUNTIME, "version": "14"},
        {**RUNTIME, "language": "a\nb"},
        5,
    ):
        host = balancer.register(images=[{**image("gcc:14"), "piston": [runtime]}])
        try:
            host.receive()
            raise AssertionError(runtime)
        except Closed:
            pass
    assert balancer.health()["hosts"] == 0


@pytest.mark.parametrize(
    "encoding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_request_is_taken(balancer, encoding, compress):
    _, slot = balancer.worker(images=[IMAGE])
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    body = compress(json.dumps(REQUEST).encode())
    pending = Background(balancer.request, "POST", "/api/v2/execute", body, headers)
    job, files = slot.take_job()
    slot.answer(job, stage(b"compile") + stage(b"run"))
    assert pending.done().status == 200
    assert files[0] == ("a.c", b"int x;")
    for damaged in body[:-9], body[:20] + b"x" + body[21:], b"", json.dumps(REQUEST).encode():
        response = balancer.request("POST", "/api/v2/execute", damaged, headers)
        assert response.status == 400, damaged


def test_the_members_of_a_gzip_body_belong_together(balancer):
    _, slot = balancer.worker(images=[IMAGE])
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    plain = json.dumps(REQUEST).encode()
    first, last = gzip.compress(plain[:9]), gzip.compress(plain[9:])
    padded = first + gzip.compress(b"") + last + bytes(512)
    pending = Background(balancer.request, "POST", "/api/v2/execute", padded, headers)
    job, files = slot.take_job()
    slot.answer(job, stage(b"compile") + stage(b"run"))
    assert pending.done().status == 200
    assert files[0] == ("a.c", b"int x;")
    damaged = last[:-1] + bytes([last[-1] ^ 1])
    for tail in last[:-1], damaged, last + b"x", last + b"\x1f\x8b", zlib.compress(plain[9:]):
        response = balancer.request("POST", "/api/v2/execute", first + tail, headers)
        assert_refused_with_message(response, 400, "Content-Encoding")


def test_a_request_that_grows_over_the_limit_when_it_is_decompressed_is_413(balancer):
    balancer.worker(images=[IMAGE])
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    bomb = gzip.compress(bytes(200 << 20))
    response = balancer.request("POST", "/api/v2/execute", bomb, headers)
    assert_refused_with_message(response, 413, "decompressed")
    many_small_ones = gzip.compress(bytes(64 << 10)) * 1000
    response = balancer.request("POST", "/api/v2/execute", many_small_ones, headers)
    assert_refused_with_message(response, 413, "decompressed")
    empty_ones = gzip.compress(b"") * (1 << 18)
    response = balancer.request("POST", "/api/v2/execute", empty_ones, headers)
    assert_refused_with_message(response, 413, f"more than {4 << 20} bytes")
    headers["Content-Encoding"] = "br"
    response = balancer.request("POST", "/api/v2/execute", b"x", headers)
    assert_refused_with_message(response, 415, "gzip or deflate")


def test_a_slash_may_follow_every_path(balancer):
    balancer.worker(images=[IMAGE])
    for path in "runtimes", "packages", "piston/runtimes":
        plain, slash = (balancer.request("GET", f"/api/v2/{path}{end}") for end in ("", "/"))
        assert (plain.status, plain.body) == (slash.status, slash.body) and plain.status == 200
    assert balancer.request("GET", "/api/v2/runtimes//").status == 404


def test_every_stage_gets_all_of_its_time(start_balancer):
    overrides = {"limit_overrides": {"run_timeout": 300000}}
    for overrides, compile_, run, job_ms in [
        ({}, "300000", "50000", 355000),
        (overrides, "300000", "300000", 605000),
    ]:
        balancer = start_balancer(
            *("--piston-limit", "compile_timeout=300000", "--piston-limit", "run_timeout=50000")
        )
        _, slot = balancer.worker(images=[{**IMAGE, "piston": [{**RUNTIME, **overrides}]}])
        pending = Background(execute, balancer)
        job, _ = slot.take_job()
        words = job["job"]["cmd"]
        assert (words[4], words[words.index("run") + 1]) == (compile_, run)
        assert job["job"]["timeout_ms"] == job_ms
        slot.answer(job, stage(b"compile") + frame(b"B", b"run"), status="timeout", exit_code=None)
        answer = pending.done().json()["run"]
        assert (answer["status"], answer["message"]) == ("TO", "Time limit exceeded (wall clock)")


def test_a_wrong_limit_is_refused_with_all_names_or_with_the_range(tmp_path):
    for limit, words in [
        (
            "run_time=1",
            [
                "'run_time'",
                "compile_memory_limit 1073741824",
                "run_timeout 300000",
                "max_process_count 512",
                "max_file_size 536870912",
                "max_open_files 4096",
                "output_max_size 262144",
            ],
        ),
        ("run_timeout", ["NAME=N, not 'run_timeout'", "output_max_size 262144"]),
        ("run_timeout=300001", ["run_timeout must be from 1 to 300000, not 300001"]),
        ("max_process_count=0", ["max_process_count must be from 1 to 512, not 0"]),
    ]:
        done = subprocess.run(
            [program("pe-lb"), "--listen", f"unix:{tmp_path}/s", "--piston-limit", limit],
            capture_output=True,
        )
        assert done.returncode != 0
        assert all(word in done.stderr.decode() for word in words), done.stderr


def test_limits_of_processes_files_and_descriptors_reach_the_plan(start_balancer):
    names = {"max_process_count": 64, "max_file_size": 10000000, "max_open_files": 2048}
    options = [word for name in names for word in ("--piston-limit", f"{name}={names[name]}")]
    balancer = start_balancer(*options)
    _, slot = balancer.worker(images=[IMAGE])
    pending = Background(execute, balancer)
    job, _ = slot.take_job()
    slot.answer(job, stage(b"compile") + stage(b"run"))
    assert pending.done().status == 200
    assert job["job"]["cmd"][3:12] == [
        "compile",
        "10000",
        "10000",
        "0",
        "65536",
        "64",
        "10000000",
        "2048",
        "2",
    ]


def test_every_recipe_gives_the_arguments_of_a_request_to_its_program():
    for path in pathlib.Path(TOP, "image/recipes").glob("*.json"):
        for runtime in json.loads(path.read_text()).get("piston", []):
            assert "{args}" in runtime["run"], (path.name, runtime["language"])


SQLITE = """#!/usr/bin/python3
import sqlite3, sys
*options, database = sys.argv[1:]
assert database == ":memory:" and set(options[::2]) == {"-cmd"}, sys.argv
connection = sqlite3.connect(database)
for statement in options[1::2]:
    connection.execute(statement)
for row in connection.execute(sys.stdin.read()):
    print(*row, sep="|")
"""


def test_arguments_of_sqlite_are_rows_of_a_table_as_in_piston(tmp_path):
    recipe = json.loads(pathlib.Path(TOP, "image/recipes/sqlite-3.json").read_text())
    (tmp_path / "sqlite3").write_text(SQLITE)
    (tmp_path / "sqlite3").chmod(0o755)
    (tmp_path / "main.sql").write_text("select rowid, arg from argv;")
    for args in ["1", "2"], ["it's", "-x", ".help", "two\nlines\n", ""], []:
        words = []
        for word in recipe["piston"][0]["run"]:
            words += {"{main}": ["main.sql"], "{args}": args}.get(word, [word])
        done = subprocess.run(
            words, cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True
        )
        wanted = "".join(f"{i + 1}|{arg}\n" for i, arg in enumerate(args))
        assert (done.stdout.decode(), done.stderr) == (wanted, b"")
