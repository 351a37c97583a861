# SPDX-License-Identifier: Apache-2.0
"""`make debug-guest`: a root shell in a guest, driven through a pseudo terminal."""
import os
import pty
import select
import subprocess
import time

import pytest

from fixtures.paths import GUEST, IMAGES, TOP, VARIANT, program
from fixtures.waiting import PATIENCE

pytestmark = pytest.mark.only_with("qemu", "initramfs/debug-guest starts QEMU")

PROMPT = b"guest# "


class Terminal:
    """A program on a pseudo terminal, and everything that it has printed."""

    def __init__(self, *command):
        self.screen = b""
        self.terminal, other = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, start_new_session=True
        )
        os.close(other)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)

    def read(self):
        """Read what is there within a second. False once the program has ended."""
        if not select.select([self.terminal], [], [], 1)[0]:
            return True
        try:
            data = os.read(self.terminal, 65536)
        except OSError:  # EIO: the last writer has closed its end
            return False
        self.screen += data
        return bool(data)

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.screen:
            assert self.read() and time.monotonic() < deadline, self.screen.decode(errors="replace")

    def wait_for_end(self):
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, self.screen.decode(errors="replace")
        return self.process.wait(PATIENCE)


def debug_guest(*image):
    folder = os.path.join(GUEST, VARIANT)
    script = os.path.join(TOP, "initramfs", "debug-guest")
    return Terminal(script, folder, IMAGES, program("pe-image"), *image)


def test_the_shell_is_in_the_guest_with_the_image_beside_pe_init():
    terminal = debug_guest()
    try:
        terminal.wait_for(PROMPT)
        booted = len(terminal.screen)
        os.write(terminal.terminal, b"uname -r; cat /proc/1/comm; ls /run/pe/rootfs/bin; exit\n")
        assert terminal.wait_for_end() == 0, terminal.screen
        log, answer = terminal.screen[:booted], terminal.screen[booted:]
        assert b"Run /debug/init as init process" in log, "the kernel log"
        release = log.split(b"Linux version ")[1].split()[0]
        assert release in answer
        assert b"\ninit\r" in answer
        assert b"busybox" in answer
    finally:
        terminal.close()


def test_an_unknown_image_is_refused_with_suggestions():
    terminal = debug_guest("bosybox:1.35")
    try:
        assert terminal.wait_for_end() != 0
        assert b"did you mean busybox:1.35?" in terminal.screen
    finally:
        terminal.close()
