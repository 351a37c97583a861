# SPDX-License-Identifier: Apache-2.0
"""pe-vm of a user who is not root: what works as it does for root, and what is refused with a reason."""
import os
import subprocess

import pytest

from fixtures.confined import AS_NOBODY
from fixtures.pe_vm import VmPlace
from fixtures.waiting import eventually


@pytest.fixture(scope="module", params=("uml", "qemu+tcg"))
def place(request):
    with VmPlace(before=AS_NOBODY) as place:
        place.boot("one", "--engine", request.param)
        yield place


def is_running(place):
    return place.info("one")["running"]


def test_a_user_runs_commands_and_stops_the_vm_for_a_while(place):
    assert place.shell("one", "id -u") == "0\n"  # root of the guest
    place.do("pause", "one")
    assert is_running(place)["paused"]
    place.do("resume", "one")
    assert place.exec("one", "cat", stdin=b"goes on").out == b"goes on"
    assert "Linux version" in place.do("console", "one")


def test_a_fault_of_a_user_kills_the_vm_and_boots_it_again(place):
    before = is_running(place)["vmm_pid"]
    place.do("fault", "--kill", "--for", "1", "one")
    eventually(lambda: is_running(place)["agent"], "the guest has booted again")
    assert is_running(place)["vmm_pid"] != before


def test_no_process_of_the_vm_of_a_user_has_rights_of_root(place):
    running = is_running(place)
    for pid in running["owner_pid"], running["vmm_pid"]:
        assert os.stat(f"/proc/{pid}").st_uid != 0


def test_a_network_needs_root_and_says_so(place):
    place.do("create", "--engine", "qemu+tcg", "--net", "lab", "netted")
    assert "only root can make networks of VMs" in place.refuse("boot", "netted")
    assert place.state("netted") == "stopped"
    place.do("delete", "netted")


def test_a_vm_that_a_user_deletes_leaves_nothing(place):
    place.do("create", "--engine", "uml", "gone")
    place.do("boot", "--wait", "300", "gone")
    place.do("delete", "gone")
    assert place.state("gone") is None and not os.path.exists(os.path.join(place.path, "gone"))


def test_the_vms_of_a_user_are_in_the_folder_of_that_user(tmp_path):
    tmp_path.chmod(0o777)
    with VmPlace(before=AS_NOBODY, XDG_RUNTIME_DIR=str(tmp_path)) as place:
        argv = [*AS_NOBODY, place.argv("list")[len(AS_NOBODY)]]
        subprocess.run([*argv, "create", "mine"], env=place.environment, check=True)
        assert os.listdir(tmp_path / "pe-vm" / "mine")


def test_a_user_gets_no_folder_of_another_user():
    with VmPlace() as of_root:
        of_root.do("create", "one")
        other = VmPlace(path=of_root.path, before=AS_NOBODY)
        assert other.refuse("boot", "one")
