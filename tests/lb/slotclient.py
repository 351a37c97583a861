"""A stand-in for pe-worker: the slot protocol (proto/slot-protocol.md) over a raw WebSocket, TCP or UNIX."""
import base64
import hashlib
import json
import os
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def connect(address, timeout=10):
    """A socket to "unix:PATH" or "HOST:PORT"."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(address[5:])
        return sock
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout)


class Closed(Exception):
    """The other side closed; `code` is the WebSocket status code, None when it just hung up."""

    def __init__(self, code=None):
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    def __init__(self, address, path, token=None, protocol="pe.slot.v1"):
        self.sock = connect(address)
        self.pings = 0
        self.answer_pings = True
        self.buffer = b""
        key = base64.b64encode(os.urandom(16))
        lines = [f"GET {path} HTTP/1.1", "Host: lb", "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key.decode()}"]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        lines += [f"Authorization: Bearer {token}"] if token else []
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(head.split(b" ")[1])
        self.head = head.decode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert self.status != 101 or accept in self.head

    def fill(self):
        data = self.sock.recv(1 << 18)
        if not data:
            raise Closed()
        self.buffer += data

    def take(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def send(self, opcode, data=b""):
        size = len(data)
        head = bytes([0x80 | opcode, 0x80 | (size if size < 126 else 126 if size < 65536 else 127)])
        head += b"" if size < 126 else struct.pack(">H" if size < 65536 else ">Q", size)
        self.sock.sendall(head + b"\0\0\0\0" + data)  # a mask of zeros leaves the bytes as they are

    def say(self, **message):
        self.send(TEXT, json.dumps(message).encode())

    def receive(self, timeout=10):
        """The next message: a dict for text, bytes for binary. Answers pings, raises Closed."""
        self.sock.settimeout(timeout)
        while True:
            first, second = self.take(2)
            size = second & 127
            if size >= 126:
                size = struct.unpack(">H" if size == 126 else ">Q", self.take(2 if size == 126 else 8))[0]
            data = self.take(size)
            opcode = first & 15
            if opcode == TEXT:
                return json.loads(data)
            if opcode == BINARY:
                return data
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", data[:2])[0] if size >= 2 else None)
            if opcode == PING:
                self.pings += 1
                if self.answer_pings:
                    self.send(PONG, data)

    def close(self):
        self.sock.close()


def image(name, digit="a"):
    return {"name": name, "digest": "sha256:" + digit * 64, "description": "", "working_dir": "/",
            "default_cmd": ["true"], "env": [], "rootfs_bytes": 1}


class Host(WebSocket):
    """A worker host's control connection."""

    def __init__(self, address, name="h1", images=("gcc:14",), **options):
        super().__init__(address, "/v1/control", **options)
        if self.status == 101:
            self.hello(name, [i if isinstance(i, dict) else image(i) for i in images])

    def hello(self, name, images):
        self.say(type="hello", host=name, arch="x86_64", cpu="test", vmm="none", slots=1, images=images)


RESULT = {"status": "exited", "exit_code": 0, "signal": None, "image": "gcc:14", "image_digest": "sha256:" + "a" * 64,
          "usage": {"wall_ms": 1.5, "user_ms": 1, "system_ms": 0.5, "max_rss_kib": 100},
          "timing_ms": {"queue": 0, "vm": 2, "input": 3, "run": 4, "output": 5}}


class Slot(WebSocket):
    def __init__(self, address, host="h1", warm=None, ready=True, **options):
        super().__init__(address, "/v1/slot", **options)
        self.host, self.warm = host, warm
        if ready and self.status == 101:
            self.ready()

    def ready(self):
        self.say(type="ready", host=self.host, warm=self.warm)

    def take_job(self, timeout=10):
        """A whole job: the `job` message and the files' bytes, name -> bytes."""
        job = self.receive(timeout)
        assert job["type"] == "job", job
        data = []
        while isinstance(message := self.receive(timeout), bytes):
            assert len(message) <= 65536
            data.append(message)
        assert message == {"type": "end", "id": job["id"]}, message
        data, files, at = b"".join(data), [], 0
        for part in job["parts"]:
            files.append((part["name"], data[at:at + part["size"]]))
            at += part["size"]
        assert at == len(data), (at, len(data))
        return job, files

    def result(self, job, stdout=b"", stderr=b"", files=(), **changes):
        """Say `result`; the bytes are the caller's to send."""
        parts = [{"kind": "stdout", "size": len(stdout)}, {"kind": "stderr", "size": len(stderr)}]
        parts += [{"kind": "file", "name": name, "size": len(data), "mode": 0o644} for name, data in files]
        self.say(type="result", id=job["id"], result={**RESULT, **changes}, parts=parts)
        return stdout + stderr + b"".join(data for _, data in files)

    def send_bytes(self, data):
        for at in range(0, len(data), 65536):
            self.send(BINARY, data[at:at + 65536])

    def answer(self, job, *args, ready=True, **named):
        self.send_bytes(self.result(job, *args, **named))
        self.say(type="end", id=job["id"])
        if ready:
            self.ready()
