# SPDX-License-Identifier: Apache-2.0
"""The User Mode Linux driver, walked through by tests/vmm/walk.c, and its end with its owner."""
import os
import signal
import subprocess

import pytest

from fixtures import processes
from fixtures.confined import AS_NOBODY, LIKE_DOCKER
from fixtures.paths import UML_KERNEL
from fixtures.vmm import assert_all_ok, assert_nothing_left


@pytest.mark.parametrize("wrapper", [(), LIKE_DOCKER, AS_NOBODY], ids=["root", "docker", "user"])
def test_vms_boot_and_end_and_leave_nothing(vmm, wrapper):
    assert_all_ok(vmm.walk("boots", "uml", wrapper=wrapper))


@pytest.mark.parametrize("wrapper", [(), LIKE_DOCKER], ids=["PID namespace", "no namespace"])
def test_the_processes_of_a_guest_end_with_an_owner_that_is_killed(vmm, wrapper):
    run_dir = vmm.run_dir()
    command = [*wrapper, *vmm.command("hold", "uml", run_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        below = processes.descendants(holder.pid)
        assert len(below) > 1, "the guest's kernel and its processes"
        shared = {os.readlink(f"/proc/{pid}/ns/pid") == os.readlink("/proc/self/ns/pid") for pid in below}
        assert shared == {bool(wrapper)}
        holder.send_signal(signal.SIGKILL)
    processes.wait_until_gone(below, "processes of the guest")
    assert_nothing_left(run_dir)


def test_a_kernel_that_is_not_there_is_named_with_the_way_to_get_it(vmm):
    output = vmm.walk("version", "uml", program="/nowhere/linux")
    assert "/nowhere/linux" in output and "make uml-kernel" in output


def test_the_version_is_that_of_the_kernel(vmm):
    folder = os.path.dirname(UML_KERNEL)
    with open(os.path.join(folder, "VERSION"), encoding="ascii") as file:
        assert f"release={vmm.walk('version', 'uml')}\n" in file.read()
