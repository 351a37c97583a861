# SPDX-License-Identifier: Apache-2.0
"""VMs of QEMU with emulation: devices that come and go, snapshots, and a network that fails."""
import os
import shutil
import subprocess
import time

import pytest

from fixtures.pe_vm import VmPlace
from fixtures.small_disk import SmallDisk
from fixtures.waiting import eventually


TC = """#!/bin/sh
case "$*" in
*" netem "*) echo "$*" >>{calls} ;;
*) exec {tc} "$@" ;;
esac
"""


def stand_in_for_tc(folder):
    """A folder for PATH with a tc that behaves as on a kernel with netem, and writes its words down."""
    path = os.path.join(folder, "tc")
    with open(path, "w", encoding="ascii") as file:
        file.write(TC.format(calls=f"{folder}/netem-calls", tc=shutil.which("tc")))
    os.chmod(path, 0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def place():
    place = VmPlace()
    place.environment["PATH"] = stand_in_for_tc(place.folder.name)
    with open(f"{place.folder.name}/disk", "wb") as disk:
        disk.truncate(4 << 20)
    place.boot(
        "one",
        *("--engine", "qemu+tcg", "--max-memory", "384", "--max-cpus", "2", "--net", "lab"),
        *("--disk", f"{place.folder.name}/disk"),
    )
    yield place
    place.close()


def in_namespace(place, *command):
    port = place.info("one")["running"]["ports"][0]
    argv = ["ip", "netns", "exec", port["namespace"], *command]
    return subprocess.run(argv, capture_output=True, text=True)


def reaches_guest(place):
    return place.exec("one", "ping -c 1 -W 1 10.9.0.1").status == 0


def test_a_snapshot_has_memory_and_disks_and_the_vm_goes_on(place, tmp_path):
    write = "printf {0} | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null; echo {0} >/tmp/memory"
    place.shell("one", write.format("before"))
    place.do("snapshot", "one", tmp_path / "saved")
    assert "exists already" in place.refuse("snapshot", "one", tmp_path / "saved")
    place.shell("one", write.format("after"))
    place.do("restore", "two", tmp_path / "saved")
    eventually(lambda: place.info("two")["running"]["agent"], "the agent of the restored VM")
    read = "head -c 6 /dev/vda; cat /tmp/memory"
    assert place.shell("two", "echo 3 >/proc/sys/vm/drop_caches;" + read) == "beforebefore\n"
    assert place.shell("one", "cat /tmp/memory") == "after\n"
    place.do("delete", "two")


def test_a_snapshot_that_has_no_room_leaves_nothing_and_the_vm_goes_on(place):
    disk = SmallDisk(mib=2)
    try:
        assert "No space left" in place.refuse("snapshot", "one", f"{disk.path}/saved")
        assert subprocess.run(["ls", disk.path], capture_output=True).stdout == b""
        place.do("pause", "one")
        assert "No space left" in place.refuse("snapshot", "one", f"{disk.path}/saved")
        assert place.exec("one", "true", "--timeout", "1").status == 124  # it is paused still
        place.do("resume", "one")
        assert place.shell("one", "echo goes on") == "goes on\n"
    finally:
        disk.remove()


def has_open(place, path):
    """Whether the VMM has this file open."""
    folder = f"/proc/{place.info('one')['running']['vmm_pid']}/fd"
    return str(path) in [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]


def test_disks_and_network_devices_come_and_go(place, tmp_path):
    (tmp_path / "more").write_bytes(b"more" + bytes(1 << 20))
    device = place.do("add-disk", "--readonly", "one", tmp_path / "more").strip()
    eventually(lambda: "vdb" in place.shell("one", "ls /sys/block"), "the guest has the disk")
    assert place.shell("one", "head -c 4 /dev/vdb") == "more"
    assert "was added while it ran" in place.refuse("snapshot", "one", tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    assert has_open(place, tmp_path / "more")
    place.do("remove", "one", device)
    assert not has_open(place, tmp_path / "more")
    assert "vdb" not in place.shell("one", "ls /sys/block")
    device = place.do("add-net", "one", "la").strip()  # its name begins that of "lab"
    space = place.info("one")["running"]["ports"][1]["namespace"]
    eventually(lambda: "eth1" in place.shell("one", "ls /sys/class/net"), "the guest has the device")
    place.do("remove", "one", device)
    assert "eth1" not in place.shell("one", "ls /sys/class/net")
    assert [port["id"] for port in place.info("one")["running"]["ports"]] == ["net-0"]
    place.do("create", "swept")
    place.do("delete", "swept")  # which removes networks that nobody uses any more
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.split()
    assert space not in spaces and f"{space}b" in spaces
    assert place.refuse("remove", "one", "no-such-device")


def test_a_paused_vm_does_not_stop_its_owner(place):
    place.do("pause", "one")
    asking = subprocess.Popen(
        place.argv("exec", "one", "--", "echo", *["x" * 1000] * 120), stdout=subprocess.PIPE
    )
    time.sleep(0.5)  # more waits now than the socket to the guest holds
    assert place.info("one")["running"]["paused"]
    place.do("resume", "one")
    assert len(asking.communicate()[0]) == 120 * 1001


def test_a_link_fails_for_a_while_and_heals_by_itself(place):
    assert in_namespace(place, "ip", "address", "add", "10.9.0.1/24", "dev", "bridge").returncode == 0
    place.shell("one", "ip address add 10.9.0.2/24 dev eth0; ip link set eth0 up")
    eventually(lambda: reaches_guest(place), "the guest answers")
    place.do("fault", "--link-down", "--for", "3", "one")
    assert not reaches_guest(place)
    assert "another fault" in place.refuse("fault", "--rate", "100", "--for", "1", "one")
    eventually(lambda: reaches_guest(place), "the guest answers again")
    place.do("fault", "--rate", "64", "--for", "1", "one")
    assert "tbf" in in_namespace(place, "tc", "qdisc").stdout
    eventually(lambda: "tbf" not in in_namespace(place, "tc", "qdisc").stdout, "the fault has ended")


def netem_calls(place):
    """The words after `tc -n NAMESPACE` of each call that had to do with netem."""
    with open(f"{place.folder.name}/netem-calls", encoding="ascii") as file:
        return [line.split()[2:] for line in file]


def test_where_the_kernel_has_netem_it_delays_and_loses_packets_at_both_ends_of_the_cable(place):
    said = place.run("fault", "--delay", "100", "--loss", "10", "--for", "1", "one")
    assert said.status == 0 and b"router" not in said.out + said.err
    attempt, *calls = netem_calls(place)
    assert attempt[:4] == ["qdisc", "replace", "dev", "lo"]  # whether the kernel has netem
    devices = [call.pop(3) for call in calls]
    port = place.info("one")["running"]["ports"][0]
    links = in_namespace(place, "ip", "-o", "link").stdout
    assert len(set(devices)) == 2 and all(f" {device}@" in links for device in devices), (port, links)
    words = "qdisc replace dev root netem delay 100ms loss 10% limit 10000".split()
    assert calls == [words, words]
    eventually(lambda: place.run("fault", "--delay", "1", "--for", "1", "one").status == 0, "it ended")


def test_a_vm_has_vsock_where_the_host_has_it_and_is_refused_elsewhere(place):
    place.do("create", "--engine", "qemu+tcg", "--vsock", "5", "heard")
    if os.path.exists("/dev/vhost-vsock"):
        place.do("boot", "heard")
    else:
        assert "this host has no vsock for VMs of QEMU" in place.refuse("boot", "heard")
    place.do("delete", "heard")


def test_memory_and_cpus_are_added_and_not_taken_away(place):
    count = "grep -c ^processor /proc/cpuinfo"
    memory = "awk '/MemTotal/ { print $2 }' /proc/meminfo"
    before = int(place.shell("one", memory))
    assert "at most 384 MiB" in place.refuse("resize", "--memory", "512", "one")
    assert "steps of 128 MiB" in place.refuse("resize", "--memory", "300", "one")
    place.do("resize", "--memory", "384", "--cpus", "2", "one")
    eventually(lambda: place.shell("one", count) == "2\n", "the guest has two CPUs")
    eventually(lambda: int(place.shell("one", memory)) >= before + 127 * 1024, "it has the memory")
    assert "cannot take memory or CPUs away" in place.refuse("resize", "--cpus", "1", "one")


def test_networks_go_with_the_last_vm_also_when_its_owner_is_killed(place):
    space = place.info("one")["running"]["ports"][0]["namespace"]
    assert space in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    place.kill_owner("one")
    assert place.state("one") == "dead"
    assert space not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
