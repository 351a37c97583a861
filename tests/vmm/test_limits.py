# SPDX-License-Identifier: Apache-2.0
"""What a VM leaves on the host, with the rights that an owner of VMs can have."""
import os
import re
import subprocess

import pytest

from fixtures import processes
from fixtures.confined import AS_NOBODY, LIKE_DOCKER
from fixtures.vmm import assert_all_ok, cgroups_of, owner_of_a_vm
from fixtures.waiting import eventually

LIMITS = ("memory limit", "process limit", "CPU limit")
LIMIT_FILE = re.compile(
    r"memory\.(max|swap\.max|(memsw\.)?limit_in_bytes)$|pids\.max$|cpu\.(max|cfs_quota_us)$"
)


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


def limits_of(pid):
    """The limits in the cgroups of the VMs that a process owns, of v2 or v1, by file."""
    found = {}
    for folder in cgroups_of(pid):
        for name in os.listdir(folder):
            if LIMIT_FILE.match(name):
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    found[name] = file.read().split()[0]
    return found


def mounts():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return file.read()


def test_a_vmm_has_a_limit_of_memory_swap_processes_and_cpu_time(vmm):
    found, run_dir = report(vmm, "uml"), vmm.run_dir()
    with owner_of_a_vm(vmm.command("hold", "uml", run_dir)) as holder:
        limits = limits_of(holder.pid)
    for protection, wanted in {
        "memory limit": {str((2 * 256 + 1024) << 20)},  # of a VM with 256 MiB
        "process limit": {"2048"},
        "CPU limit": {"200000"},  # of 100,000 us
    }.items():
        word = protection.split()[0].lower().replace("process", "pids")
        values = {value for name, value in limits.items() if name.startswith(word)}
        assert values == (wanted if found[protection] == "active" else set()), (protection, limits)


def test_nothing_is_mounted_and_no_cgroup_is_left_after_a_kill(vmm):
    found, run_dir = report(vmm, "qemu"), vmm.run_dir()
    limited = any(found[protection] == "active" for protection in LIMITS)
    with owner_of_a_vm(vmm.command("hold", "qemu", run_dir)) as holder:
        assert run_dir not in mounts()
        assert bool(cgroups_of(holder.pid)) == limited
        below = processes.descendants(holder.pid)
    processes.wait_until_gone(below, "VMMs")

    def next_start_leaves_no_cgroup():
        """The kernel lets go of a cgroup a little later than of its last process."""
        subprocess.run(vmm.command("jail", "qemu", run_dir), check=True, stdout=subprocess.DEVNULL)
        return not cgroups_of(holder.pid)

    eventually(next_start_leaves_no_cgroup, "the cgroups are removed")
    assert not os.listdir(run_dir) and run_dir not in mounts()
