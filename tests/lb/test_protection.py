"""Limits by client, tokens, slow clients, TLS, and pages of other origins."""
import http.client
import json
import os
import signal
import ssl
import subprocess
import tempfile
import time

from harness import JOB, Background, Balancer, Response, connect, equal, eventually, free_port, job_body, post, request, test
from harness import BOUNDARY
from slotclient import Host, Slot, WebSocket
from test_requests import refused

MIB = 1 << 20


def post_from(lb, forwarded, job=JOB):
    """A job through a proxy that says who sent it."""
    return request(lb, "POST", "/v1/run", job_body(job), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
                                                         "X-Forwarded-For": forwarded})


@test("one client with many jobs waiting does not delay another's first")
def _():
    with Balancer("--trusted-proxy", "unix") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        greedy = [Background(post_from, lb, "192.0.2.1", {**JOB, "cmd": ["greedy"]}) for _ in range(30)]
        lb.wait_for(queued=30)
        modest = Background(post_from, lb, "192.0.2.2", {**JOB, "cmd": ["modest"]})
        lb.wait_for(queued=31)
        equal(lb.metric("pe_queue_position"), 2)
        slot = Slot(lb.address)
        order = []
        for _ in range(31):
            job, _ = slot.take_job()
            order.append(job["job"]["cmd"][0])
            slot.answer(job)
        equal("modest" in order[:2], True, order)
        for call in greedy + [modest]:
            equal(call.done().status, 200)
        control.close()


@test("a client that sends too many jobs a minute gets 429 with Retry-After, and others do not")
def _():
    with Balancer("--rate", "60", "--burst", "3", "--trusted-proxy", "unix") as lb:
        for _ in range(3):
            refused(post_from(lb, "192.0.2.1"), 503, "no-worker")
        response = post_from(lb, "192.0.2.1")
        refused(response, 429, "too-many-requests", "60 jobs a minute")
        equal(response.headers["Retry-After"] in ("1", "2"), True)
        refused(post_from(lb, "192.0.2.2"), 503, "no-worker")
        time.sleep(1.1)
        refused(post_from(lb, "192.0.2.1"), 503, "no-worker")


@test("an IPv6 network of 64 bits is one client")
def _():
    with Balancer("--rate", "1", "--trusted-proxy", "unix") as lb:
        refused(post_from(lb, "2001:db8::1"), 503, "no-worker")
        refused(post_from(lb, "2001:db8::ffff:2"), 429, "too-many-requests")
        refused(post_from(lb, "2001:db8:0:1::1"), 503, "no-worker")


@test("X-Forwarded-For counts only from trusted proxies, and only up to the first who is none")
def _():
    with Balancer("--rate", "1", "--trusted-proxy", "unix", "--trusted-proxy", "10.0.0.0/8") as lb:
        refused(post_from(lb, "192.0.2.9, 10.1.1.1"), 503, "no-worker")
        refused(post_from(lb, "192.0.2.1, 192.0.2.9,10.2.2.2 , 10.3.3.3"), 429, "too-many-requests")
        refused(post_from(lb, "192.0.2.9"), 429, "too-many-requests")
        refused(post_from(lb, "garbage"), 503, "no-worker")  # the proxy itself
        refused(post_from(lb, "nonsense, 127.0.0.1.9"), 429, "too-many-requests")
        lb.address = lb.tcp
        refused(post_from(lb, "192.0.2.50"), 503, "no-worker")  # 127.0.0.1 is not trusted
        refused(post_from(lb, "192.0.2.51"), 429, "too-many-requests")


@test("a client may have only so many jobs here at a time")
def _():
    with Balancer("--client-jobs", "2") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        pending = [Background(post, lb) for _ in range(2)]
        lb.wait_for(queued=2)
        refused(post(lb), 429, "too-many-requests", "at a time")
        slot = Slot(lb.address)
        for call in pending:
            slot.answer(slot.take_job()[0])
        for call in pending:
            equal(call.done().status, 200)
        pending = Background(post, lb)
        slot.answer(slot.take_job()[0])
        equal(pending.done().status, 200)
        control.close()


@test("the queue is bounded in bytes")
def _():
    with Balancer("--queue-mib", "1") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        pending = Background(post, lb, files=[("f", bytes(700000))])
        lb.wait_for(queued=1)
        refused(post(lb, files=[("f", bytes(700000))]), 503, "no-capacity", "size")
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0])
        equal(pending.done().status, 200)
        control.close()


@test("a client may say how long it waits: Prefer: wait=N")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        response = request(lb, "POST", "/v1/run", job_body(), {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Prefer": "wait=1"})
        refused(response, 503, "no-capacity", "1000 ms")
        control.close()


@test("tokens are read again on SIGHUP, several may hold at a time, and a broken file changes nothing")
def _():
    with tempfile.NamedTemporaryFile("w") as file:
        def tokens(text):
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()

        def status(token):
            link = WebSocket(lb.address, "/v1/control", token=token)
            link.close()
            return link.status
        tokens("first\n")
        with Balancer("--token-file", file.name) as lb:
            equal([status("first"), status("second")], [101, 401])
            tokens("first\r\n\nsecond\n")
            lb.process.send_signal(signal.SIGHUP)
            eventually(lambda: status("second") == 101, "the second token")
            equal([status("first"), status("firs"), status("first\nsecond"[:5] + "x")], [101, 401, 401])
            tokens("")
            lb.process.send_signal(signal.SIGHUP)
            eventually(lambda: "what was there before stays" in lb.log(), "the complaint")
            equal([status("first"), status("")], [101, 401])


@test("a client that sends its request too slowly is cut off, one that waits for its job is not")
def _():
    with Balancer("--header-timeout-ms", "700", "--idle-timeout-ms", "1500") as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        waits = Background(post, lb)
        loris, idle = connect(lb.address), connect(lb.tcp)
        loris.sendall(b"POST /v1/run HTTP/1.1\r\nX: ")
        loris.settimeout(10)
        equal(loris.recv(100), b"")
        idle.settimeout(10)
        equal(idle.recv(100), b"")
        equal(lb.metric("pe_connections_slow_total"), 2)
        slot = Slot(lb.address)
        slot.answer(slot.take_job()[0])
        equal(waits.done().status, 200)
        control.close()


@test("a head that is too large is refused")
def _():
    with Balancer() as lb:
        with connect(lb.address) as sock:
            try:
                sock.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n")
                equal(sock.recv(12), b"HTTP/1.1 400")
            except (BrokenPipeError, ConnectionResetError):
                pass
        equal(lb.health()["status"], "ok")


@test("pages of allowed origins may use the service, others may not")
def _():
    with Balancer("--cors-origin", "https://pe.example", "--cors-origin", "http://localhost:1") as lb:
        preflight = {"Origin": "https://pe.example", "Access-Control-Request-Method": "POST",
                     "Access-Control-Request-Headers": "cache-control"}
        answer = request(lb, "OPTIONS", "/v1/run", headers=preflight)
        equal((answer.status, answer.headers["Access-Control-Allow-Origin"]), (204, "https://pe.example"))
        equal(answer.headers["Access-Control-Allow-Methods"], "POST")
        equal("Cache-Control" in answer.headers["Access-Control-Allow-Headers"], True)
        equal(answer.headers["Vary"], "Origin")
        response = request(lb, "GET", "/v1/images", headers={"Origin": "http://localhost:1"})
        equal(response.headers["Access-Control-Allow-Origin"], "http://localhost:1")
        equal("X-Request-Id" in response.headers["Access-Control-Expose-Headers"], True)
        response = request(lb, "POST", "/v1/run", b"", headers={"Origin": "https://pe.example"})
        equal((response.status, response.headers["Access-Control-Allow-Origin"]), (400, "https://pe.example"))
        for origin in "https://evil.example", "https://pe.example.evil", "null":
            equal(request(lb, "GET", "/", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"], None)
        equal(request(lb, "GET", "/").headers["Access-Control-Allow-Origin"], None)
    with Balancer("--cors-origin", "*") as lb:
        equal(request(lb, "GET", "/", headers={"Origin": "null"}).headers["Access-Control-Allow-Origin"], "*")


# ---- TLS ----

def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    os.path.join(folder, "key.pem"), "-out", os.path.join(folder, "cert.pem")],
                   check=True, stderr=subprocess.DEVNULL)


def tls_connect(where, protocols=("http/1.1",)):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(connect(where), server_hostname="localhost")


def certificate_names(where, name):
    with tls_connect(where) as sock:
        return name.encode() in sock.getpeercert(True)


class TlsBalancer(Balancer):
    def __init__(self, folder, *options):
        self.tls = f"127.0.0.1:{free_port()}"
        super().__init__("--listen-tls", self.tls, "--tls-cert", os.path.join(folder, "cert.pem"), "--tls-key",
                         os.path.join(folder, "key.pem"), *options)


def tls_post(where, files=()):
    connection = http.client.HTTPConnection("lb", timeout=30)
    connection.sock = tls_connect(where)
    connection.request("POST", "/v1/run", job_body(files=files),
                       {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    return Response(connection.getresponse())


@test("jobs go over TLS, certificates are renewed on SIGHUP, and who hangs up is noticed there, too")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        make_certificate(folder, "first.example")
        with TlsBalancer(folder) as lb:
            control, slot = lb.worker()
            pending = Background(tls_post, lb.tls, [("f", b"x" * MIB)])
            job, files = slot.take_job()
            slot.answer(job, b"over TLS", b"", [("g", files[0][1])])
            equal(pending.done().form()[3][2], b"x" * MIB)
            equal(certificate_names(lb.tls, "first.example"), True)
            old = tls_connect(lb.tls)
            make_certificate(folder, "second.example")
            lb.process.send_signal(signal.SIGHUP)
            eventually(lambda: certificate_names(lb.tls, "second.example"), "the new certificate")
            old.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            equal(old.recv(12), b"HTTP/1.1 200")
            sock = tls_connect(lb.tls)
            body = job_body()
            sock.sendall(f"POST /v1/run HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nContent-Type: "
                         f"multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body)
            job, _ = slot.take_job()
            sock.close()
            equal(slot.receive()["type"], "cancel")
            control.close()


@test("HTTP/2 is offered over TLS only when it is switched on, and cancels by stream")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        make_certificate(folder, "x")
        with TlsBalancer(folder) as lb:
            with tls_connect(lb.tls, ("h2", "http/1.1")) as sock:
                equal(sock.selected_alpn_protocol(), "http/1.1")
        with TlsBalancer(folder, "--http2") as lb:
            control, slot = lb.worker()
            with tls_connect(lb.tls, ("h2", "http/1.1")) as sock:
                equal(sock.selected_alpn_protocol(), "h2")
            def curl(command):
                job = json.dumps({"image": "gcc:14", "cmd": [command]})
                return subprocess.Popen(["curl", "-sk", "--http2", "-F", f"job={job};type=application/json", "-w",
                                         "%{http_version}", f"https://{lb.tls}/v1/run"], stdout=subprocess.PIPE)
            process = curl("one")
            slot.answer(slot.take_job()[0], b"over HTTP/2")
            output = process.communicate(timeout=20)[0]
            equal((b"over HTTP/2" in output, output[-1:]), (True, b"2"))
            process = curl("another")
            slot.take_job()
            process.kill()
            process.communicate()
            equal(slot.receive()["type"], "cancel")
            control.close()
