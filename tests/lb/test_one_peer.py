# SPDX-License-Identifier: Apache-2.0
"""One client or one worker, broken or hostile, neither takes the balancer down nor holds it up."""
import contextlib
import json
import signal
import subprocess

import pytest

from fixtures.http_client import JOB, SAME, job_body
from fixtures.stand_in_worker import PROTOCOL, Slot, WebSocket, connect, frame, image
from fixtures.waiting import PATIENCE, Background, eventually
from fixtures.websocket import CONTINUATION, PING, PONG, TEXT, Closed

MIB = 1 << 20
RUNTIME = {"language": "c", "version": "14.2.0", "run": ["./a.out"]}
EXECUTE = {"language": "c", "version": "*", "files": [{"name": "a.c", "content": "int x;"}]}


def execute(balancer):
    """A request to Piston's API."""
    return balancer.request(
        "POST", "/api/v2/execute", json.dumps(EXECUTE), {"Content-Type": "application/json"}
    )


# ---- replies ----


def test_a_failed_vm_that_is_reported_at_once_is_one_reply_to_a_piston_client(balancer):
    registration, slot = balancer.worker(images=[{**image("gcc:14"), "piston": [RUNTIME]}])
    for _ in range(2):
        pending = Background(execute, balancer)
        job, _ = slot.take_job()
        with slot.at_once():  # the result and its end are handled in one iteration of the loop
            slot.answer(job, status="vm_error", exit_code=None, reason="it broke")
        response = pending.done()
        assert response.status == 500
        assert "it broke" in response.json()["message"]


def test_a_failed_vm_that_is_reported_at_once_is_one_reply_over_http_2(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    registration, slot = balancer.worker(images=[{**image("gcc:14"), "piston": [RUNTIME]}])
    url = f"https://{balancer.tls}/api/v2/execute"
    head = "Content-Type: application/json"
    for _ in range(2):
        curl = subprocess.Popen(
            ["curl", "-sk", "--http2", "-H", head, "-d", json.dumps(EXECUTE), url],
            stdout=subprocess.PIPE,
        )
        job, _ = slot.take_job()
        with slot.at_once():
            slot.answer(job, status="vm_error", exit_code=None, reason="it broke")
        assert "it broke" in json.loads(curl.communicate(timeout=PATIENCE)[0])["message"]


# ---- jobs that wait for workers ----


def test_a_worker_that_joins_starts_all_jobs_that_waited_for_its_image(start_balancer):
    balancer = start_balancer("--gather-ms", "600000", "--queue-jobs", "4")
    balancer.register("other", ["busybox:1.35"])
    slots = [Slot(balancer.address), Slot(balancer.address)]  # they get jobs once h1 registers
    balancer.wait_for(slots=2, ready=0)
    pending = [
        Background(balancer.post, job={"image": "gcc:14", "cmd": [str(i)]}) for i in range(4)
    ]
    balancer.wait_for(hosts=1)
    eventually(lambda: balancer.metric("pe_requests_open") == 4, "all jobs wait")
    balancer.register("h1")
    for _ in range(2):
        for slot in slots:
            slot.answer(slot.take_job()[0], b"started")
    for call in pending:
        assert call.done().form()[1][2] == b"started"


# ---- WebSockets ----


def send_until_closed(sock, data, most):
    """Send until the other side closes; how many bytes that took, and fail after `most`."""
    sent = 0
    try:
        while sent < most:
            sock.sendall(data)
            sent += len(data)
    except (BrokenPipeError, ConnectionResetError):
        return sent
    raise AssertionError(f"{sent} bytes were taken")


def test_a_worker_that_sends_pings_and_never_reads_is_cut_off(balancer):
    registration, slot = balancer.worker()
    pings = frame(PING, b"p" * 125) * 1000
    for path in "/v1/control", "/v1/slot":
        link = WebSocket(balancer.address, path)
        send_until_closed(link.sock, pings, 64 << 20)
    assert balancer.log().count("reads none") == 2
    assert balancer.run_on(slot, b"others go on").form()[1][2] == b"others go on"


def test_a_worker_that_sends_pings_and_reads_the_pongs_is_answered(balancer):
    link = WebSocket(balancer.address, "/v1/slot")
    for i in range(200):
        link.send(PING, b"%d" % i)
        while (answer := link.receive_frame())[0] == PING:  # the balancer's own
            pass
        assert answer == (PONG, b"%d" % i)


def fragment(opcode, data, last=False):
    """One frame of a message that has several."""
    return bytes([(0x80 if last else 0) | opcode, 0x80 | len(data)]) + b"\0\0\0\0" + data


def test_a_message_of_very_many_frames_is_refused(balancer):
    before = balancer.peak_memory()
    for path in "/v1/control", "/v1/slot":
        for data in b"x", b"":
            link = WebSocket(balancer.address, path)
            link.sock.sendall(fragment(TEXT, b"{"))
            send_until_closed(link.sock, fragment(CONTINUATION, data) * 1000, 30 << 20)
    assert balancer.peak_memory() - before < 20 * MIB
    assert balancer.log().count("in over 1024 frames") == 4


def test_a_message_of_some_frames_with_a_ping_between_them_is_read(balancer):
    link = WebSocket(balancer.address, "/v1/control")
    text = json.dumps(
        {
            **{"type": "hello", "protocol": PROTOCOL, "host": "h1", "slots": 1, "images": []},
            **{"arch": "x", "cpu": "x", "vmm": "x", "isolation": "emulation"},
        }
    ).encode()
    for i, byte in enumerate(text):
        last = i == len(text) - 1
        link.sock.sendall(fragment(CONTINUATION if i else TEXT, bytes([byte]), last))
        if i == 20:
            link.send(PING, b"!")
    balancer.wait_for(hosts=1)


def large_message(balancer, path):
    """A connection that has sent all of a message of 4 MB but its end, unless it was cut off."""
    link = WebSocket(balancer.address, path)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link.sock.sendall(frame(TEXT, b"{" + b" " * (4_000_000 - 1))[:-1])
    return link


def test_messages_of_all_workers_together_are_bounded(balancer):
    registration, slot = balancer.worker()
    before = balancer.peak_memory()
    links = [large_message(balancer, path) for path in ("/v1/control", "/v1/slot") * 50]
    eventually(lambda: balancer.log().count("need over 256 MiB") > 20, "some are cut off")
    assert balancer.peak_memory() - before < 350 * MIB  # they have 381 MiB together
    assert balancer.run_on(slot, b"others go on").form()[1][2] == b"others go on"
    for link in links:
        link.close()
    registration.hello("h1", [image("another:1"), image("third:1")])
    balancer.wait_for_log("has 1 slots and 2 images")


# ---- registrations ----


def test_of_many_large_hellos_only_some_are_read_and_the_last_one_counts(balancer):
    link = balancer.register(images=[])
    runtimes = [{**RUNTIME, "version": f"1.0.{i}"} for i in range(25)]
    names = [f"i{i:03}:1" for i in range(150)]
    with link.at_once():
        for _ in range(20):
            link.hello("h1", [{**image(name), "piston": runtimes} for name in names])
        link.hello("h1", [image("last:1")])
    images = lambda: balancer.request("GET", "/v1/images").json()["images"]
    eventually(lambda: [i["name"] for i in images()] == ["last:1"], "the last one counts")
    assert balancer.log().count("worker 'h1'") < 20
    link.send_message(type="ready", host="h1")
    with pytest.raises(Closed, match="no message but 'hello'"):
        while True:
            link.receive()


# ---- large responses ----


def keep_a_result_of_control_characters(balancer, slot, size):
    """A cached result whose JSON has six bytes for each of its own. Returns its job."""
    pending = Background(balancer.post, job=SAME)
    slot.answer(slot.take_job()[0], files=[("f", b"\x01" * size)])
    assert pending.done().status == 200
    return SAME


def test_clients_that_read_no_json_do_not_make_the_balancer_encode_it_for_each_of_them(balancer):
    registration, slot = balancer.worker()
    job = keep_a_result_of_control_characters(balancer, slot, 10 * MIB)
    before = balancer.peak_memory()
    readers = [balancer.send_job("application/json", job_body(job)) for _ in range(20)]
    for reader in readers:
        assert reader.recv(4096).startswith(b"HTTP/1.1 200")
    assert balancer.peak_memory() - before < 20 * MIB  # one of these bodies has 60 MiB
    assert balancer.run_on(slot, b"others go on", job=JOB).form()[1][2] == b"others go on"
    for reader in readers:
        reader.close()


def test_a_large_json_response_arrives_whole(balancer):
    registration, slot = balancer.worker()
    job = keep_a_result_of_control_characters(balancer, slot, 3 * MIB)
    result = balancer.post(job=job, accept="application/json").json()
    assert result["files"] == [
        {"name": "f", "mode": "0644", "size": 3 * MIB, "text": "\x01" * (3 * MIB)}
    ]


def send_json(balancer, body):
    sock = connect(balancer.address)
    head = f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    sock.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
    return sock


def test_clients_that_read_nothing_do_not_make_the_balancer_keep_the_files_of_their_jobs(balancer):
    registration, slot = balancer.worker()
    body = json.dumps({**SAME, "files": {"a": "x" * (30 * MIB)}}).encode()
    readers = [send_json(balancer, body)]
    slot.answer(slot.take_job()[0], files=[("f", b"y" * (3 * MIB))])
    before = balancer.anonymous_memory()
    readers += [send_json(balancer, body) for _ in range(5)]
    for reader in readers:
        assert reader.recv(4096).startswith(b"HTTP/1.1 200")
    assert balancer.anonymous_memory() - before < 60 * MIB
    for reader in readers:
        reader.close()


def test_pieces_of_responses_count_as_memory_of_results(start_balancer):
    balancer = start_balancer("--results-mib", "4")
    registration, slot = balancer.worker()
    job = keep_a_result_of_control_characters(balancer, slot, 3 * MIB)
    readers = [balancer.send_job("application/json", job_body(job)) for _ in range(40)]
    eventually(lambda: balancer.metric("pe_requests_open") < 40, "readers are cut off")
    eventually(lambda: balancer.metric("pe_result_bytes") < 7 * MIB + MIB // 2, "memory is bounded")
    for reader in readers:
        reader.close()
    eventually(lambda: balancer.metric("pe_requests_open") == 0, "all have ended")
    assert 3 * MIB < balancer.metric("pe_result_bytes") < 4 * MIB  # the cached result


def large_catalog(balancer, host="h1", images=55):
    """Register a worker whose images make /v1/images so many times 60 KB long."""
    example = {"title": "t", "file": "a.c", "text": "x" * 60000}
    registration = balancer.register(
        host, [{**image(f"{host}-{i:02}:1"), "examples": [example]} for i in range(images)]
    )
    balancer.wait_for_log(f"worker '{host}'")
    return registration


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_clients_that_read_nothing_do_not_hold_a_copy_of_the_catalog_each(balancer):
    for host in "h1", "h2":
        large_catalog(balancer, host)
    before = balancer.peak_memory()
    readers = [connect(balancer.address) for _ in range(40)]
    for reader in readers:
        reader.sendall(get("/v1/images"))
        assert reader.recv(4096).startswith(b"HTTP/1.1 200")
    assert balancer.peak_memory() - before < 100 * MIB  # one of these bodies has 6.6 MiB
    eventually(lambda: balancer.metric("pe_result_bytes") > 40 * 2**17, "pieces are counted")
    for reader in readers:
        reader.close()
    eventually(lambda: balancer.metric("pe_result_bytes") < MIB, "they are not counted any more")


def test_the_catalog_is_listed_while_workers_change(balancer):
    staying, leaving = large_catalog(balancer, "h1"), large_catalog(balancer, "h2")
    reader = connect(balancer.address)
    reader.sendall(get("/v1/images"))
    got = reader.recv(4096)
    leaving.close()
    staying.hello("h1", [image("a:1"), image("z:1")])
    balancer.wait_for(hosts=1)
    balancer.wait_for_log("has 1 slots and 2 images")
    while not got.endswith(b"0\r\n\r\n"):
        got += reader.recv(1 << 20)
    chunks, body = got.split(b"\r\n\r\n", 1)[1], b""
    while chunks[:3] != b"0\r\n":
        size, chunks = chunks.split(b"\r\n", 1)
        body += chunks[: int(size, 16)]
        chunks = chunks[int(size, 16) + 2 :]
    names = [entry["name"] for entry in json.loads(body)["images"]]
    assert names[0] == "h1-00:1"
    assert names[-1] == "z:1"
    assert names == sorted(set(names))


def test_a_playground_that_is_read_again_is_sent_to_the_end_as_it_was(start_balancer, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "assets" / "a.js").write_bytes(b"1" * (3 * MIB))
    balancer = start_balancer("--playground", str(tmp_path))
    before = balancer.peak_memory()
    readers = [connect(balancer.address) for _ in range(20)]
    for reader in readers:
        reader.sendall(get("/assets/a.js"))
        assert reader.recv(4096).startswith(b"HTTP/1.1 200")
    assert balancer.peak_memory() - before < 10 * MIB
    (tmp_path / "assets" / "a.js").write_bytes(b"2" * 10)
    balancer.process.send_signal(signal.SIGHUP)
    balancer.wait_for_log("read again")
    assert balancer.request("GET", "/assets/a.js").body == b"2" * 10
    got = b""
    while len(got) < 2 * MIB:
        got += readers[0].recv(1 << 20)
    assert set(got.rstrip(b"1")) == set()


# ---- where a request ends ----


def read_all(sock):
    """What the balancer sends until it closes the connection."""
    got = b""
    while data := sock.recv(65536):
        got += data
    return got


HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n"


@pytest.mark.parametrize(
    "headers, body",
    [
        ("Content-Length: 2\r\nContent-Length: 3", b"{}" + HIDDEN),
        ("Content-Length: 3\r\ncontent-length:2", b"{} " + HIDDEN),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", b"0\r\n\r\n" + HIDDEN),
        ("Transfer-Encoding: chunked\r\nTransfer-encoding:  chunked", b"0\r\n\r\n" + HIDDEN),
        ("X: a\r\n Content-Length: 3\r\nContent-Length: 2", b"{}" + HIDDEN),
    ],
)
def test_a_request_whose_end_is_not_clear_is_refused_and_its_connection_closed(
    balancer, headers, body
):
    for path in "/v1/run", "/api/v2/execute", "/healthz":
        sock = connect(balancer.address)
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode() + body)
        reply = read_all(sock)
        assert reply.startswith(b"HTTP/1.1 400 "), reply
        assert reply.count(b"HTTP/1.1") == 1, reply


def test_a_request_that_says_its_length_twice_alike_is_answered(balancer):
    sock = connect(balancer.address)
    sock.sendall(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n"
        b"content-length:0 \r\n\r\n"
    )
    assert read_all(sock).startswith(b"HTTP/1.1 200 ")
