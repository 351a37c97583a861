# SPDX-License-Identifier: Apache-2.0
"""Run scenarios in the outer VM: those that the kernel's command line names in pe.scenarios. Prints
"ok NAME" or "not ok NAME" for each; tests/nested/test_kvm.py waits for these lines."""
import fcntl
import os
import re
import shutil
import socket
import struct
import sys
import time
import traceback

os.environ["PE_BUILD"] = "/pe"
sys.path[:0] = ["/pe/tests", "/pe/tests/nested"]

import outer  # noqa: E402
import scenarios  # noqa: E402
from fixtures import processes, vmm_processes  # noqa: E402
from fixtures.serial_report import report, show_life  # noqa: E402

CLOUD_HYPERVISOR_DRIVE, CLOUD_HYPERVISOR = "/dev/vdc", "/pe/bin/cloud-hypervisor"
PLACES = ("/dev/shm", "/tmp", "/var/tmp", "/run")


def run(name, function):
    """Run one scenario. What it reports ends with a comment."""
    started = time.monotonic()
    try:
        function()
        report(f"ok {name}")
    except Exception:  # a scenario may fail in any way
        report(f"not ok {name}\n{traceback.format_exc()}")
    report(f"# {time.monotonic() - started:.0f} s")


def kernel_argument(name):
    with open("/proc/cmdline") as file:
        found = re.search(rf"(?:^| ){re.escape(name)}=(\S*)", file.read())
    return found.group(1) if found else ""


def bring_up_loopback():
    with socket.socket() as any_socket:
        up_and_running = struct.pack("16sh", b"lo", 0x41)
        fcntl.ioctl(any_socket, 0x8914, up_and_running)  # SIOCSIFFLAGS


def install_cloud_hypervisor():
    """Install the binary that the caller named, if any: it is on a drive."""
    if os.path.exists(CLOUD_HYPERVISOR_DRIVE):
        shutil.copyfile(CLOUD_HYPERVISOR_DRIVE, CLOUD_HYPERVISOR)
        os.chmod(CLOUD_HYPERVISOR, 0o755)
        os.environ["PE_CLOUD_HYPERVISOR"] = CLOUD_HYPERVISOR


def files_of_programs():
    """Names in the places where a program could forget files. The VM runs nothing else."""
    names = [os.path.join(place, name) for place in PLACES for name in os.listdir(place)]
    return {name for name in names if os.path.basename(name).startswith(("pe-", "qemu", "vl."))}


def nothing_is_left(before):
    vmms = vmm_processes.below(1)
    assert not vmms, list(map(processes.command_line, vmms))
    assert files_of_programs() == before


def main():
    show_life()
    bring_up_loopback()
    outer.make_kvm_device()
    install_cloud_hypervisor()

    before = files_of_programs()
    with open("/proc/uptime") as uptime:
        report(f"# the outer VM is up after {float(uptime.read().split()[0]):.0f} s")
    for name in kernel_argument("pe.scenarios").split(","):
        if name.startswith("nothing_is_left"):
            run(name, lambda: nothing_is_left(before))
        else:
            run(name, getattr(scenarios, name))


main()
