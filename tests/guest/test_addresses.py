# SPDX-License-Identifier: Apache-2.0
"""What differs between templates, so that an attack on one cannot rely on addresses of another."""
import os
import re
import socket
import struct

import pytest

from fixtures.paths import VARIANT
from fixtures.vm import Guest
from fixtures.waiting import eventually

ET_DYN = 3  # elf(5): the file can be loaded at any address


class KaslrGuest(Guest):
    """A VM as a template is booted, with a monitor of QEMU."""

    def command(self, build, rootfs, memory, serial):
        command = super().command(build, rootfs, memory, serial)
        at = command.index("-kernel") + 1
        command[at] = os.path.join(os.path.dirname(command[at]), "vmlinuz")
        return [*command, "-monitor", f"unix:{self.folder}/monitor,server=on,wait=off"]

    def kernel_address(self):
        """An address in the kernel, in which the idle guest waits."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(f"{self.folder}/monitor")
            text = b""

            def is_in_kernel():
                nonlocal text
                monitor.sendall(b"info registers\n")
                text = monitor.recv(65536)
                return re.search(rb"RIP=ffffffff", text)

            eventually(is_in_kernel, "the guest is in its kernel")
        return re.search(rb"RIP=(\w+)", text).group(1)


@pytest.mark.each_engine
@pytest.mark.parametrize("name", ["pe-init", "pe-shim"])
def test_the_programs_of_the_guest_can_be_at_any_address(guest, name):
    with open(os.path.join(guest.build, name), "rb") as file:
        (kind,) = struct.unpack_from("<H", file.read(18), 16)
    assert kind == ET_DYN


@pytest.mark.each_engine
@pytest.mark.only_with("snapshots", "User Mode Linux has no templates, and its kernel has a fixed address")
def test_the_kernel_of_each_template_is_at_another_address(guest):
    if VARIANT:  # compiled without random addresses
        return
    addresses = set()
    for _ in range(2):
        with KaslrGuest(guest.build, guest.rootfs) as vm:
            vm.wait_ready()
            addresses.add(vm.kernel_address())
    assert len(addresses) == 2, addresses
