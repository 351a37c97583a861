# SPDX-License-Identifier: Apache-2.0
"""What a VM leaves on the host, with the rights that an owner of VMs can have."""
import os
import signal
import subprocess

import pytest

from fixtures import processes
from fixtures.confined import AS_NOBODY, LIKE_DOCKER
from fixtures.vmm import assert_all_ok, cgroups_of
from fixtures.waiting import eventually

LIMITS = ("memory limit", "process limit", "CPU limit")


def report(vmm, driver, wrapper=()):
    """What the jail says about each protection: active, or why not."""
    lines = vmm.walk("jail", driver, wrapper=wrapper).splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_user_mode_linux_has_an_empty_root_where_nothing_can_be_mounted(vmm):
    assert report(vmm, "uml", LIKE_DOCKER)["root directory"] == "active"
    assert "needs a mount namespace" in report(vmm, "qemu", LIKE_DOCKER)["root directory"]


@pytest.mark.parametrize("wrapper", [LIKE_DOCKER, AS_NOBODY], ids=["docker", "user"])
def test_vms_run_with_fewer_rights(vmm, wrapper):
    assert_all_ok(vmm.walk("walk", "qemu", wrapper=wrapper))


def test_nothing_is_mounted_and_no_cgroup_is_left_after_a_kill(vmm):
    found, run_dir = report(vmm, "qemu"), vmm.run_dir()
    limited = any(found[protection] == "active" for protection in LIMITS)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        before = file.read()
    command = vmm.command("hold", "qemu", run_dir)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        with open("/proc/self/mounts", encoding="utf-8") as file:
            assert file.read() == before
        assert bool(cgroups_of(holder.pid)) == limited
        below = processes.descendants(holder.pid)
        holder.send_signal(signal.SIGKILL)
    processes.wait_until_gone(below, "VMMs")

    def next_start_leaves_no_cgroup():
        """The kernel lets go of a cgroup a little later than of its last process."""
        subprocess.run(vmm.command("jail", "qemu", run_dir), check=True, stdout=subprocess.DEVNULL)
        return not cgroups_of(holder.pid)

    eventually(next_start_leaves_no_cgroup, "the cgroups are removed")
    assert not os.listdir(run_dir)
