# SPDX-License-Identifier: Apache-2.0
"""pe-vm without VMs that run: names, settings, and commands that meet or find no room."""
import json
import os
import shutil
import subprocess

from fixtures.pe_vm import VmPlace
from fixtures.small_disk import SmallDisk
from fixtures.waiting import eventually

BAD_NAMES = ("", "-a", "A", "a/b", "..", ".", "a b", "ä", "a.b", "a" * 33, "a\n")


def test_a_name_that_could_be_something_else_in_a_path_or_a_command_is_refused():
    with VmPlace() as place:
        for name in BAD_NAMES:
            done = place.run("create", "--", name)
            assert done.status == 2 and b"is not a name of a VM" in done.err, (name, done)
        place.do("create", "a" * 32)
        place.do("create", "0-a")
        assert [one["name"] for one in place.list()] == ["0-a", "a" * 32]


def test_settings_that_no_vm_could_have_are_refused():
    with VmPlace() as place:
        assert "there is no engine 'bochs'" in place.refuse("create", "--engine", "bochs", "one")
        assert "memory" in place.refuse("create", "--memory", "1", "one")
        assert "CPUs" in place.refuse("create", "--cpus", "2", "--max-cpus", "1", "one")
        assert "network" in place.refuse("create", "--net", "../x", "one")
        assert "cannot find" in place.refuse("create", "--disk", "/nowhere", "one")
        latin = os.path.join(place.folder.name, os.fsdecode(b"pl\xe4tte"))
        with open(latin, "wb"):
            pass
        for option in ("--disk", "--kernel"):
            assert "is not UTF-8" in place.refuse("create", option, latin, "one")
        assert "is not UTF-8" in place.refuse("create", "--append", os.fsdecode(b"a=\xe4"), "one")
        assert place.list() == []


def test_of_several_commands_that_create_the_same_vm_at_once_one_succeeds():
    with VmPlace() as place:
        place.do("list")
        started = [
            subprocess.Popen(
                place.argv("create", "--memory", 100 + number, "one"), stderr=subprocess.PIPE
            )
            for number in range(8)
        ]
        results = [(process.communicate()[1], process.returncode) for process in started]
        assert sorted(status for _, status in results) == [0] + [2] * 7, results
        assert sum(b"there is a VM 'one' already" in text for text, _ in results) == 7
        assert len(place.list()) == 1
        assert sorted(os.listdir(place.path)) == ["lock", "one"]


def test_commands_for_a_vm_that_does_not_exist_or_run_say_so():
    with VmPlace() as place:
        assert "there is no VM 'one'" in place.refuse("boot", "one")
        place.do("create", "one")
        for command in ("pause", "resume", "shutdown", "info"):
            done = place.run(command, "one")
            assert done.status == 0 if command == "info" else b"does not run" in done.err, done
        place.do("delete", "one")
        assert "there is no VM 'one'" in place.refuse("delete", "one")


def test_a_vm_that_cannot_be_written_down_leaves_nothing():
    disk = SmallDisk(mib=1)
    try:
        place = VmPlace(os.path.join(disk.path, "vms"))
        place.do("list")
        disk.fill()
        assert "No space left" in place.refuse("create", "one")
        assert os.listdir(place.path) == ["lock"]
        disk.free()
        place.do("create", "one")
        place.close()
    finally:
        disk.remove()


def test_what_a_killed_command_left_unfinished_is_removed_by_the_next_one():
    with VmPlace() as place:
        place.do("list")
        os.makedirs(os.path.join(place.path, ".new-one", "vmm"))
        place.do("create", "one")
        assert sorted(os.listdir(place.path)) == ["lock", "one"]


def test_a_restore_that_is_interrupted_leaves_a_vm_that_cannot_use_the_disks_of_the_saved_one():
    with VmPlace() as place:
        disk = os.path.join(place.folder.name, "disk")
        saved = os.path.join(place.folder.name, "saved")
        with open(disk, "wb") as file:
            file.truncate(1 << 20)
        place.do("create", "--engine", "uml", "--disk", disk, "one")
        os.mkdir(saved)
        shutil.copy(place.file("one", "config.json"), saved)
        os.mkfifo(os.path.join(saved, "disk-0"))  # so that its copy never ends
        restoring = subprocess.Popen(place.argv("restore", "two", saved))
        eventually(lambda: place.state("two") == "stopped", "the VM is there")
        restoring.kill()
        restoring.wait()
        with open(place.file("two", "config.json")) as file:
            settings = json.load(file)
        assert [one["path"] for one in settings["disks"]] == [place.file("two", "disk-0")]
        assert place.file("two", "disk-0") in place.refuse("boot", "two")
