# SPDX-License-Identifier: Apache-2.0
"""The API socket. It behaves like Cloud Hypervisor's HTTP server (micro_http): it serves one
request at a time, on the thread that does everything else; it accepts ten connections, header lines of 1024
bytes and bodies of 51200; the reason phrase is empty; 204 has no Content-Length; an error of the protocol
keeps the connection; a client that closes its sending side is dropped before it has its answer."""

import fcntl
import json
import os
import select
import selectors
import socket

CONNECTIONS_MAX = 10
HEADER_LINE_MAX = 1024
BODY_MAX = 51200


class BadRequest(Exception):
    pass


class Request:
    def __init__(self, method, path, body):
        self.method, self.path, self.body = method, path, body


def encode(status, body):
    """An answer; body None for none at all."""
    head = f"HTTP/1.1 {status} \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n"
    if status == 204:
        return (head + "\r\n").encode()
    text = b"" if body is None else json.dumps(body).encode()
    return (head + f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n").encode() + text


TOO_MANY = b'HTTP/1.1 503\r\nServer: Firecracker API\r\nConnection: close\r\nContent-Length: 40\r\n\r\n{ "error": "Too many open connections" }'


def protocol_error(fault):
    """Its server has the name that micro_http gives it. Sentences are not escaped, so one with a line break is no
    JSON."""
    text = f'{{ "error": "{fault}" }}'.encode()
    return b"HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n" \
        + f"Content-Length: {len(text)}\r\n\r\n".encode() + text


def read_request(received):
    """Remove a complete request from `received` and return it. None: there is none yet."""
    end = received.find(b"\r\n\r\n")
    lines = bytes(received if end < 0 else received[:end]).split(b"\r\n")
    if any(len(line) > HEADER_LINE_MAX for line in lines):
        raise BadRequest("header line is too long")
    if end < 0:
        return None
    fields = lines[0].decode("latin-1").split(" ")
    if len(fields) != 3 or fields[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise BadRequest("Invalid request line")
    length = 0
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequest("Invalid header")
        if name.lower() == "content-length":
            if not value.strip().isdigit():
                raise BadRequest("Invalid Content-Length")
            length = int(value)
        elif name.lower() in ("transfer-encoding", "expect"):
            raise BadRequest(f"Unsupported header: {name}")
    if length > BODY_MAX:
        raise BadRequest(f"Request payload with size {length} is larger than the limit of {BODY_MAX} allowed by server.\nAll previous unanswered requests will be dropped.")
    if len(received) < end + 4 + length:
        return None
    body = bytes(received[end + 4:end + 4 + length])
    del received[:end + 4 + length]
    return Request(fields[0], fields[1], body)


def listen(where):
    """`path=P`, `P` or `fd=N`: the listening socket and the path to remove at a clean end."""
    if where.startswith("fd="):
        return socket.socket(fileno=int(where[3:])), None
    path = where[5:] if where.startswith("path=") else where
    lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # open, and locked, until the end
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.path.lexists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen(128)
    return server, path


class Server:
    """`handle(request)` returns a list of bytes to send, and whether the connection ends then."""

    def __init__(self, where, selector, handle):
        self.selector, self.handle = selector, handle
        self.listener, self.path = listen(where)
        self.connections = {}
        selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def _accept(self):
        connection, _ = self.listener.accept()
        if len(self.connections) >= CONNECTIONS_MAX:
            connection.sendall(TOO_MANY)
            connection.close()
            return
        self.connections[connection] = bytearray()
        self.selector.register(connection, selectors.EVENT_READ, lambda: self._read(connection))

    def _drop(self, connection):
        self.selector.unregister(connection)
        del self.connections[connection]
        connection.close()

    def _read(self, connection):
        look = select.poll()
        look.register(connection, select.POLLIN | select.POLLRDHUP)
        if look.poll(0)[0][1] & select.POLLRDHUP:
            self._drop(connection)
            return
        received = self.connections[connection]
        try:
            bytes_read = connection.recv(65536)
        except ConnectionError:
            bytes_read = b""
        if not bytes_read:
            self._drop(connection)
            return
        received += bytes_read
        try:
            while (request := read_request(received)) is not None:
                answer, last = self.handle(request)
                connection.sendall(answer)
                if last:
                    self._drop(connection)
                    return
        except BadRequest as fault:
            received.clear()
            connection.sendall(protocol_error(fault))
        except ConnectionError:
            self._drop(connection)
