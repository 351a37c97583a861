#!/usr/bin/env python3
"""Runs scenarios in the outer VM: those whose numbers the kernel's command line has in pe.scenarios. Prints "ok SENTENCE" or "not
ok SENTENCE" for each, as the other suites do; tests/nested/run.py passes that on."""
import fcntl
import os
import re
import shutil
import socket
import struct
import time
import traceback

os.environ["PE_BUILD"] = "/pe"

import outer  # noqa: E402
import scenarios  # noqa: E402,F401
import service as s  # noqa: E402

CLOUD_HYPERVISOR_DRIVE, CLOUD_HYPERVISOR = "/dev/vdc", "/pe/bin/cloud-hypervisor"


def say(text):
    print(text, flush=True)


def run(sentence, function):
    """One scenario. What it has to say ends with a comment."""
    started = time.monotonic()
    try:
        function()
        say(f"ok {sentence}")
    except Exception as error:  # noqa: BLE001: a scenario may fail in any way
        detail = str(error) if isinstance(error, s.Failure) else traceback.format_exc()
        say("\n".join([f"not ok {sentence}", *("  " + line for line in detail.splitlines())]))
    say(f"# {time.monotonic() - started:.0f} s")


def kernel_argument(name):
    with open("/proc/cmdline") as file:
        found = re.search(rf"(?:^| ){re.escape(name)}=(\S*)", file.read())
    return found.group(1) if found else ""


def bring_up_loopback():
    with socket.socket() as any_socket:
        up_and_running = struct.pack("16sh", b"lo", 0x41)
        fcntl.ioctl(any_socket, 0x8914, up_and_running)  # SIOCSIFFLAGS


def install_cloud_hypervisor():
    """The binary that the caller named, when it did: it comes as a drive."""
    if os.path.exists(CLOUD_HYPERVISOR_DRIVE):
        shutil.copyfile(CLOUD_HYPERVISOR_DRIVE, CLOUD_HYPERVISOR)
        os.chmod(CLOUD_HYPERVISOR, 0o755)
        os.environ["PE_CLOUD_HYPERVISOR"] = CLOUD_HYPERVISOR


def nothing_is_left(places):
    s.check_equal((s.qemu_pids(), s.shared_places() - places), (set(), set()), "VMMs and files")


def main():
    bring_up_loopback()
    outer.make_kvm_device()
    install_cloud_hypervisor()
    places = s.shared_places()
    with open("/proc/uptime") as uptime:
        say(f"# an outer VM is up after {float(uptime.read().split()[0]):.0f} s")
    for number in kernel_argument("pe.scenarios").split(","):
        sentence, _, function = outer.SCENARIOS[int(number)]
        run(sentence, function)
    run(outer.NOTHING_LEFT[kernel_argument("pe.lane")], lambda: nothing_is_left(places))


main()
