# SPDX-License-Identifier: Apache-2.0
"""A serial port on a UNIX socket that behaves like Cloud Hypervisor's. It has one client, and a new
client replaces the old one. A path that exists is an error. A lone newline from a client becomes a
carriage return. Output before the first client is kept (v53) or lost."""

import selectors
import socket

RING_BYTES = 1 << 20


class Serial:
    def __init__(self, path, selector, keeps_output):
        self.selector, self.keeps_output = selector, keeps_output
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)  # EADDRINUSE when something is there, a dead VMM's socket included
        self.listener.listen(1)
        self.port = self.client = None
        self.ring = bytearray()
        selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def attach(self, port):
        """`port`: our end of the VM's first UART."""
        self.detach()
        self.port = port
        port.setblocking(False)
        self.selector.register(port, selectors.EVENT_READ, self._from_guest)

    def detach(self):
        if self.port:
            self.selector.unregister(self.port)
            self.port.close()
        self.port = None

    def close(self):
        self.detach()
        self._hang_up()
        self.selector.unregister(self.listener)
        self.listener.close()

    def _accept(self):
        client, _ = self.listener.accept()
        self._hang_up()
        client.setblocking(False)
        self.client = client
        self.selector.register(client, selectors.EVENT_READ, self._from_client)
        if self.ring:
            self._flush()

    def _hang_up(self):
        if self.client:
            self.selector.unregister(self.client)
            self.client.close()
        self.client = None

    def _flush(self):
        """A slow reader's bytes stay until the guest says more."""
        try:
            del self.ring[:self.client.send(self.ring)]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._hang_up()

    def _from_guest(self):
        try:
            said = self.port.recv(65536)
        except ConnectionError:
            said = b""
        if not said:  # QEMU ended; its end is seen on its own
            self.detach()
            return
        if self.client is None and not self.keeps_output:
            return
        self.ring = (self.ring + said)[-RING_BYTES:]
        if self.client:
            self._flush()

    def _from_client(self):
        try:
            said = self.client.recv(64)
        except ConnectionError:
            said = b""
        if not said:
            self._hang_up()
        elif self.port:
            self.port.setblocking(True)
            try:
                self.port.sendall(b"\r" if said == b"\n" else said)
                self.port.setblocking(False)
            except ConnectionError:
                self.detach()
