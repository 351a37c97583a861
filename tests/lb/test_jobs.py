# SPDX-License-Identifier: Apache-2.0
"""Jobs that work: every form of response, streaming, scheduling, large bodies, both kinds of
socket."""
import base64
import json
import random
import threading
import time

from fixtures.http_client import BOUNDARY, JOB, job_body, read_cpio
from fixtures.stand_in_worker import RESULT, Closed, Slot, connect
from fixtures.waiting import Background, eventually


MIB = 1 << 20
FILES = [("plain.txt", b"text\n"), ("plots/p%20q.bin", b"\xff\xfe\0"), ("empty", b"")]


def one_job(balancer, slot, accept=None, **answer):
    """A job without input, answered by the slot."""
    pending = Background(balancer.post, accept=accept)
    got = slot.take_job()
    slot.answer(got[0], **answer)
    return pending.done(), got


def echo_job(balancer, slot, files, output, accept=None):
    """A job with input and output files."""
    pending = Background(balancer.post, accept=accept, files=files)
    got = slot.take_job()
    slot.answer(got[0], files=output)
    return pending.done(), got


def test_a_job_reaches_the_slot_as_the_client_sent_it(balancer):
    registration, slot = balancer.worker()
    job = {
        "image": "gcc:14",
        "cmd": ["sh", "-c", "\u00e9"],
        "env": {"K": "V=W"},
        "stdin": "in put",
        "timeout_ms": 1234,
        "outputs": ["*.o"],
        "cache": False,
    }
    files = [("z", b"zzz"), ("in put", b"input"), ("d/\u00e9.c", b""), ("a%b", b"x" * 100000)]
    pending = Background(balancer.post, job=job, files=files)
    message, received = slot.take_job()
    slot.answer(message)
    assert pending.done().status == 200
    assert message["job"] == job
    assert received == [
        ("z", b"zzz"),
        ("in%20put", b"input"),
        ("d/%C3%A9.c", b""),
        ("a%25b", b"x" * 100000),
    ]
    assert message["queue_us"] >= 0


def test_a_result_is_multipart_form_data_by_default(balancer):
    registration, slot = balancer.worker()
    for accept in None, "*/*", "multipart/form-data", "text/html, */*;q=0.1":
        response, (job, _) = one_job(
            balancer, slot, accept, stdout=b"out\r\n", stderr=b"", files=FILES
        )
        assert response.status == 200
        parts = response.form()
        assert parts[1:] == [
            ("stdout", "stdout", b"out\r\n"),
            ("stderr", "stderr", b""),
            ("file", "plain.txt", b"text\n"),
            ("file", "plots/p q.bin", b"\xff\xfe\0"),
            ("file", "empty", b""),
        ]
        result = json.loads(parts[0][2])
        assert parts[0][0] == "result"
        assert result["status"] == "exited"
        assert result["exit_code"] == 0
        assert not result["cached"]
        assert response.headers["X-Request-Id"] == job["id"]
        assert response.headers["Cache-Control"] == "no-store"
        timing = dict(
            piece.strip().split(";dur=") for piece in response.headers["Server-Timing"].split(",")
        )
        assert list(timing) == ["queue", "vm", "input", "run", "output"]
        assert float(timing["run"]) == 4.0


def test_a_result_is_cpio_on_request(balancer):
    registration, slot = balancer.worker()
    response, _ = one_job(
        balancer, slot, "application/x-cpio", stdout=b"12345", stderr=b"e", files=FILES
    )
    assert response.headers["Content-Type"] == "application/x-cpio"
    entries = read_cpio(response.body)
    assert json.loads(entries[0][2])["status"] == "exited"
    assert [(name, data) for name, _, data in entries[1:]] == [
        (b"stdout", b"12345"),
        (b"stderr", b"e"),
        (b"files/plain.txt", b"text\n"),
        (b"files/plots/p q.bin", b"\xff\xfe\0"),
        (b"files/empty", b""),
    ]
    assert {oct(mode) for _, mode, _ in entries} == {"0o100644"}


def test_a_json_result_has_text_where_it_is_utf_8_and_base64_where_not(balancer):
    registration, slot = balancer.worker()
    files = FILES + [("bad%FFname", b"x"), ("%C3%A9", b"y")]
    response, _ = one_job(
        balancer,
        slot,
        "application/json",
        stdout=b"\0\xff",
        stderr="\u00e9\0".encode(),
        files=files,
    )
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["status"] == "exited"
    assert body["usage"]["wall_ms"] == 1.5
    assert body["signal"] is None
    assert body["stdout"] == {"base64": base64.b64encode(b"\0\xff").decode()}
    assert body["stderr"] == "\u00e9\0"
    assert body["files"] == [
        {"name": "plain.txt", "mode": "0644", "size": 5, "text": "text\n"},
        {"name": "plots/p q.bin", "mode": "0644", "size": 3, "base64": "//4A"},
        {"name": "empty", "mode": "0644", "size": 0, "text": ""},
        {
            "name": "bad\ufffdname",
            "mode": "0644",
            "size": 1,
            "text": "x",
            "name_base64": base64.b64encode(b"bad\xffname").decode(),
        },
        {"name": "\u00e9", "mode": "0644", "size": 1, "text": "y"},
    ]


def test_the_worker_is_told_to_end_a_job_at_its_output_limit(balancer):
    _, slot = balancer.worker()
    job = {**JOB, "on_output_limit": "stop"}
    pending = Background(balancer.post, accept="application/json", job=job)
    job, _ = slot.take_job()
    assert job["job"]["on_output_limit"] == "stop"
    slot.answer(job, status="stream_limit", exit_code=None)
    assert pending.done().json()["status"] == "stream_limit"


def test_the_combined_stream_is_a_part_of_its_own_in_every_form(balancer):
    _, slot = balancer.worker()
    parts = [{"kind": kind, "size": 1} for kind in ("stdout", "stderr")]
    parts += [{"kind": "combined", "size": 2}, {"kind": "file", "name": "f", "size": 1}]
    forms = {}
    for accept in "multipart/form-data", "application/json", "application/x-cpio":
        pending = Background(balancer.post, accept=accept, job={**JOB, "combined": True})
        job, _ = slot.take_job()
        assert job["job"]["combined"] is True
        slot.send_message(type="result", id=job["id"], result=RESULT, parts=parts)
        slot.send_bytes(b"oeeof")
        slot.send_message(type="end", id=job["id"])
        slot.ready()
        forms[accept] = pending.done()
    assert forms["multipart/form-data"].form()[3:] == [
        ("combined", "combined", b"eo"),
        ("file", "f", b"f"),
    ]
    assert forms["application/json"].json()["combined"] == "eo"
    entries = read_cpio(forms["application/x-cpio"].body)
    assert [(name, data) for name, _, data in entries[3:]] == [
        (b"combined", b"eo"),
        (b"files/f", b"f"),
    ]


def test_the_client_sees_stdout_before_the_worker_has_sent_the_files(start_balancer):
    for accept in "multipart/form-data", "application/x-cpio":
        balancer = start_balancer()
        registration, slot = balancer.worker()
        with connect(balancer.address) as sock:
            body = job_body()
            sock.sendall(
                f"POST /v1/run HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body
            )
            job, _ = slot.take_job()
            data = slot.result(job, b"early", b"", [("late", b"~" * 100000)])
            slot.send_bytes(data[:5])
            got = b""
            while b"early" not in got:
                got += sock.recv(65536)
            slot.send_bytes(data[5:])
            slot.send_message(type="end", id=job["id"])
            while not got.endswith(b"0\r\n\r\n"):
                got += sock.recv(65536)
            assert got.count(b"~") == 100000
        registration.close()


def test_a_full_sized_job_and_a_full_sized_result_go_through_unchanged(start_balancer):
    balancer = start_balancer(unix=False)
    registration, slot = balancer.worker()
    random.seed(1)
    source = random.randbytes(8 * MIB)
    files = [("big", source * 3), ("second", source[:-7])]
    output = source + source[:-3]
    for accept in "multipart/form-data", "application/json":
        response, (_, received) = echo_job(balancer, slot, files, [("out", output)], accept)
        assert [(name, len(data)) for name, data in received] == [
            (name, len(data)) for name, data in files
        ]
        assert received == files, "input bytes"
        got = (
            response.form()[3][2]
            if accept.startswith("multi")
            else base64.b64decode(response.json()["files"][0]["base64"])
        )
        assert got == output, "output bytes"


def test_4096_files_go_in_and_come_out(balancer):
    registration, slot = balancer.worker()
    files = [(f"d{i % 64}/f{i}", b"%d" % i) for i in range(4096)]
    response, (_, received) = echo_job(balancer, slot, files, files)
    assert received == files
    assert [(name, data) for _, name, data in response.form()[3:]] == files


def test_50_jobs_at_once_over_2_slots_get_their_own_results_and_no_descriptor_leaks(balancer):
    registration, *slots = balancer.worker(slots=2)
    before = balancer.settled_fds()

    def serve(slot):
        try:
            while True:
                job, files = slot.take_job(60)
                slot.answer(job, b"<" + files[0][1] + b">")
        except (Closed, OSError):
            pass

    for slot in slots:
        threading.Thread(target=serve, args=(slot,), daemon=True).start()
    pending = [Background(balancer.post, files=[("f", b"%d" % i * 1000)]) for i in range(50)]
    for i, call in enumerate(pending):
        assert call.done().form()[1][2] == b"<" + b"%d" % i * 1000 + b">"
    balancer.wait_for_fds(before)


def test_http_1_0_gets_a_complete_response_and_a_closed_connection(balancer):
    registration, slot = balancer.worker()
    with connect(balancer.address) as sock:
        body = job_body()
        sock.sendall(
            f"POST /v1/run HTTP/1.0\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body
        )
        slot.answer(slot.take_job()[0], b"old")
        got = b""
        while data := sock.recv(65536):
            got += data
        assert b"old" in got
        assert got.endswith(b"--\r\n")
        assert not (b"chunked" in got)


def test_a_job_goes_to_a_slot_warm_for_its_image_or_to_the_worker_used_last(balancer):
    [balancer.register("h1", ["gcc:14"]), balancer.register("h2", ["gcc:14", "perl:5"])]
    cold, warm = Slot(balancer.address, "h1"), Slot(balancer.address, "h2", warm="gcc:14")
    balancer.wait_for(hosts=2, ready=2)
    pending = Background(balancer.post)
    warm.answer(warm.take_job()[0], b"warm", ready=False)
    assert pending.done().form()[1][2] == b"warm"
    # h2 was used last now: another slot of it goes before h1's, which has waited longer.
    again = Slot(balancer.address, "h2")
    balancer.wait_for(ready=2)
    pending = Background(balancer.post, job={"image": "gcc@sha256:" + "a" * 64})
    again.answer(again.take_job()[0], b"again", ready=False)
    assert pending.done().form()[1][2] == b"again"
    pending = Background(balancer.post)
    cold.answer(cold.take_job()[0], b"cold")
    assert pending.done().form()[1][2] == b"cold"


def test_waiting_jobs_are_served_in_order_past_one_whose_image_no_ready_slot_has(balancer):
    [balancer.register("h1", ["gcc:14"]), balancer.register("h2", ["perl:5"])]
    balancer.wait_for(hosts=2)
    pending = [Background(balancer.post, job={"image": "perl:5"})]
    balancer.wait_for(queued=1)
    for i in range(3):
        pending.append(Background(balancer.post, job={**JOB, "cmd": [str(i)]}))
        balancer.wait_for(queued=2 + i)
    slot = Slot(balancer.address, "h1")
    for i in range(3):
        job, _ = slot.take_job()
        assert job["job"]["cmd"] == [str(i)]
        slot.answer(job)
        pending[1 + i].done()
    balancer.wait_for(queued=1, ready=1)
    other = Slot(balancer.address, "h2")
    other.answer(other.take_job()[0])
    assert pending[0].done().status == 200


def test_a_worker_without_its_registration_gets_no_job_until_it_is_back(balancer):
    balancer.register("h2", ["gcc:14"])
    registration, slot = balancer.worker()
    registration.close()
    balancer.wait_for(hosts=1, slots=1, ready=0)  # nobody should think that the slot can run something
    pending = Background(balancer.post)
    balancer.wait_for(queued=1, ready=0)
    registration = balancer.register("h1")
    slot.answer(slot.take_job()[0])
    assert pending.done().status == 200
    balancer.register("h1", ["gcc:14", "perl:5"])  # before the old connection was found dead
    balancer.wait_for_log("another registration with this name is open")
    registration.close()
    eventually(lambda: b"perl" in balancer.request("GET", "/v1/images").body, "the newer hello")
    assert balancer.health()["hosts"] == 2
