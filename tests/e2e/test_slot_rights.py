# SPDX-License-Identifier: Apache-2.0
"""What a slot may do, which reads the output of guests, and what its helper does for it."""
import os
import signal
import subprocess

import pytest

from fixtures import paths, processes
from fixtures.service import Service
from fixtures.waiting import eventually

pytestmark = pytest.mark.each_engine


def status(pid):
    """The lines of /proc/PID/status, by name."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def slots_with_vm(service, count=1):
    eventually(lambda: len(service.worker.slots()) >= count, "slots have a VM")
    return service.worker.slots()


def test_a_slot_has_no_rights_before_there_is_any_output(service):
    users = set()
    slots = slots_with_vm(service, 2)
    for slot in slots:
        has = status(slot)
        users |= set(has["Uid"].split()) | set(has["Gid"].split())
        assert has["Groups"].split() == [], has
        for kind in "Inh", "Prm", "Eff", "Bnd", "Amb":
            assert int(has[f"Cap{kind}"], 16) == 0, has
        assert has["NoNewPrivs"] == "1", has
        assert has["Seccomp"] == "2", has
    assert "0" not in users and len(users) == len(slots), users
    for vmm in service.worker.vmms():
        assert not users & set(status(vmm)["Uid"].split()), "a VMM has the user of a slot"


def test_a_slot_has_only_its_own_descriptors(service):
    """Nothing of the worker: no listener, no folder of a cgroup, no mount namespace, no lock."""
    for slot in slots_with_vm(service):
        for fd in os.listdir(f"/proc/{slot}/fd"):
            target = os.readlink(f"/proc/{slot}/fd/{fd}")
            is_own = target.startswith(("socket:", "/memfd:", "pipe:", "anon_inode:", "/dev/null"))
            assert is_own or int(fd) <= 2, (fd, target)


@pytest.mark.parametrize("which", ["slots", "helpers"])
def test_jobs_go_on_when_a_process_of_a_slot_is_killed(service, which):
    slots_with_vm(service)
    victims = getattr(service.worker, which)()
    below = {pid for victim in victims for pid in processes.descendants(victim)}
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    processes.wait_until_gone(victims | below, "the slots with their helpers and VMMs")
    assert service.run("echo on").stdout == b"on\n"
    service.assert_nothing_is_left()


def test_the_images_can_be_below_a_private_folder(tmp_path):
    store = tmp_path / "private" / "images"
    store.parent.mkdir(mode=0o700)
    subprocess.run(["cp", "-al", os.path.join(paths.BUILD, "images"), store], check=True)
    private = Service(slots=1, store=str(store))
    try:
        assert private.run("echo on").stdout == b"on\n"
        assert {status(slot)["Uid"].split()[0] for slot in slots_with_vm(private)} != {"0"}
    finally:
        private.close()
