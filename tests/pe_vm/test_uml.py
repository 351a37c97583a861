# SPDX-License-Identifier: Apache-2.0
"""VMs of User Mode Linux: commands in the guest, the life of an owner, and what this engine cannot do."""
import os
import pty
import shutil
import signal
import subprocess
import termios
import time

import pytest

from fixtures.pe_vm import VmPlace
from fixtures.waiting import PATIENCE, eventually


@pytest.fixture(scope="module")
def place():
    place = VmPlace()
    place.boot("one", "--engine", "uml")
    yield place
    place.close()


def test_a_command_has_input_output_errors_and_an_exit_status(place):
    done = place.exec("one", "cat; echo trouble >&2; exit 7", stdin=b"hello\n" * 3000)
    assert (done.status, done.out, done.err) == (7, b"hello\n" * 3000, b"trouble\n")


def test_a_command_that_a_signal_kills_or_that_cannot_be_run_says_so(place):
    assert place.exec("one", "kill -9 $$").status == 128 + signal.SIGKILL
    done = place.run("exec", "one", "--", "no-such-program")
    assert done.status == 127 and b"no-such-program: No such file" in done.err


def test_a_command_ends_at_its_bounds(place):
    assert place.exec("one", "sleep 1000", "--timeout", "1").status == 124
    done = place.exec("one", "cat /dev/zero", "--max-output", "1")
    assert done.status == 1 and b"wrote too much" in done.err and len(done.out) <= 1 << 20
    assert place.shell("one", "echo free again") == "free again\n"


def test_the_time_of_a_command_that_never_stops_writing_ends_too(place):
    argv = place.argv("exec", "--timeout", "1", "--max-output", "1", "one", "--", "yes")
    slow = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    while slow.stdout.read(1000):
        time.sleep(0.01)  # so that there is always more to read
    assert slow.wait() == 124


@pytest.mark.parametrize("errors", (subprocess.PIPE, subprocess.STDOUT), ids=("apart", "with-it"))
def test_the_time_of_a_command_whose_output_nobody_reads_ends_too(place, errors):
    argv = place.argv("exec", "--timeout", "1", "one", "--", "yes")
    unread = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    )
    try:
        assert unread.wait(PATIENCE) == 124
        if errors == subprocess.PIPE:
            assert b"took too long" in unread.stderr.read()
    finally:
        unread.kill()
        unread.communicate()
    assert place.shell("one", "echo free again") == "free again\n"


def test_a_command_whose_output_nobody_reads_waits_and_keeps_no_other_waiting(place):
    argv = place.argv("exec", "one", "--", "sh", "-c", "seq 300000; echo $? >/tmp/ended")
    slow = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert slow.stdout.readline() == b"1\n"
    for _ in range(3):
        assert place.info("one")["running"]["agent"]
        time.sleep(0.2)
    out, _ = slow.communicate()
    assert out == b"".join(b"%d\n" % number for number in range(2, 300001))
    assert slow.returncode == 0
    slow = subprocess.Popen(place.argv("exec", "one", "--", "yes"), stdout=subprocess.PIPE)
    slow.stdout.read(1000)
    slow.kill()
    slow.communicate()
    assert place.shell("one", "echo free again") == "free again\n"


def test_a_command_is_killed_with_the_command_that_asked_for_it(place):
    asking = subprocess.Popen(
        place.argv("exec", "one", "--", "sh", "-c", "echo begun; exec sleep 98765"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert asking.stdout.readline() == b"begun\n"
    asking.kill()
    asking.communicate()
    eventually(lambda: "98765" not in place.shell("one", "ps | grep -v grep"), "it was killed")


def test_processes_that_a_command_leaves_behind_go_on(place):
    place.shell("one", "sleep 43210 </dev/null >/dev/null 2>&1 &")
    assert "43210" in place.shell("one", "ps")


def test_a_command_ends_also_if_what_it_leaves_behind_never_stops_writing(place):
    assert place.exec("one", "yes & yes & sleep 1; exit 3", "--timeout", "60").status == 3
    assert place.shell("one", "echo free again") == "free again\n"


def test_a_paused_vm_stands_still(place):
    place.do("pause", "one")
    assert place.info("one")["running"]["paused"]
    assert place.exec("one", "true", "--timeout", "1").status == 124
    place.do("resume", "one")
    assert place.shell("one", "echo goes on") == "goes on\n"


def test_what_user_mode_linux_cannot_do_is_refused_with_a_reason(place, tmp_path):
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20))
    refused = {
        ("resize", "--cpus", "1", "one"): "User Mode Linux cannot change the memory",
        ("add-disk", "one", disk): "User Mode Linux cannot add a disk",
        ("add-net", "one", "lab"): "User Mode Linux cannot add a network device",
        ("remove", "one", "disk-0"): "User Mode Linux cannot take a device",
        ("snapshot", "one", tmp_path / "saved"): "User Mode Linux cannot save a VM",
        ("fault", "--link-down", "--for", "1", "one"): "has no network device",
    }
    for command, reason in refused.items():
        assert reason in place.refuse(*command)
    assert not (tmp_path / "saved").exists()
    place.do("create", "--engine", "uml", "--net", "lab", "netted")
    assert "CONFIG_UML_NET_VECTOR" in place.refuse("boot", "netted")
    assert place.state("netted") == "stopped"
    place.do("create", "--engine", "uml", "--vsock", "5", "heard")
    assert "User Mode Linux has no vsock" in place.refuse("boot", "heard")
    assert subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.count("-lab") == 0


def test_user_mode_linux_restores_no_snapshot_of_another_program(place, tmp_path):
    shutil.copy(place.file("one", "config.json"), tmp_path)
    for name in "memory", "state":
        (tmp_path / name).write_bytes(b"")
    assert "User Mode Linux cannot restore a VM" in place.refuse("restore", "again", tmp_path)
    assert place.state("again") is None


def test_a_disk_can_be_written_to_unless_it_was_given_for_reading(place, tmp_path):
    for name in ("free", "fixed"):
        (tmp_path / name).write_bytes(b"before" + bytes(1 << 20))
    disks = ("--disk", tmp_path / "free", "--disk", f"{tmp_path}/fixed,readonly")
    place.boot("disks", "--engine", "uml", *disks)
    write = "printf after. | dd of=/dev/{} conv=notrunc,fsync"
    assert place.shell("disks", "head -c 6 /dev/ubda; head -c 6 /dev/ubdb") == "beforebefore"
    assert place.exec("disks", write.format("ubda")).status == 0
    assert place.exec("disks", write.format("ubdb")).status != 0
    assert (tmp_path / "free").read_bytes()[:6] == b"after."
    assert (tmp_path / "fixed").read_bytes()[:6] == b"before"
    refused = place.refuse("add-disk", "--readonly", "disks", tmp_path / "fixed")
    assert "User Mode Linux cannot add a disk" in refused
    place.do("delete", "disks")


def test_the_console_is_kept_after_the_end(place):
    place.boot("two", "--engine", "uml", "--append", "mark=console-test")
    with open(place.file("two", "log"), "a") as log:
        log.write("mark of the log\n")
    assert "runs already" in place.refuse("boot", "two")
    with open(place.file("two", "log")) as log:
        assert "mark of the log" in log.read()  # it belongs to the VM that runs
    place.do("shutdown", "two")
    assert place.state("two") == "stopped"
    assert place.info("two")["ended"] == "the guest was asked to shut down"
    assert "mark=console-test" in place.do("console", "two")


def test_a_console_that_a_signal_ends_gives_the_terminal_back(place):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        master, terminal = pty.openpty()
        usual = termios.tcgetattr(terminal)
        follower = subprocess.Popen(
            place.argv("console", "--follow", "one"),
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: termios.tcgetattr(terminal) != usual, "the terminal is in raw mode")
        follower.send_signal(number)
        assert follower.wait(180) == -number
        assert termios.tcgetattr(terminal) == usual
        os.close(master)
        os.close(terminal)


def test_a_console_that_was_put_aside_is_printed_first_and_goes_with_the_next_start(place):
    place.do("create", "--engine", "uml", "six")
    for file, text in (("console.old", "the older half\n"), ("console", "the newer half\n")):
        with open(place.file("six", file), "w") as console:
            console.write(text)
    assert place.do("console", "six") == "the older half\nthe newer half\n"
    place.do("boot", "six")
    assert "half" not in place.do("console", "six")


def test_a_vm_that_a_fault_kills_is_booted_again(place):
    place.boot("three", "--engine", "uml")
    before = place.info("three")["running"]["vmm_pid"]
    place.do("fault", "--kill", "--for", "1", "three")
    assert place.info("three")["running"]["killed_by_fault"]
    eventually(lambda: place.info("three")["running"]["agent"], "the guest has booted again")
    assert place.info("three")["running"]["vmm_pid"] != before
    assert place.shell("three", "echo again") == "again\n"


def test_a_command_ends_with_the_vm_that_a_fault_kills(place):
    place.boot("seven", "--engine", "uml")
    lost = subprocess.Popen(
        place.argv("exec", "seven", "--", "sh", "-c", "echo begun; exec sleep 98765"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert lost.stdout.readline() == b"begun\n"
    place.do("fault", "--kill", "--for", "1000", "seven")
    assert b"has ended" in lost.communicate(timeout=PATIENCE)[1] and lost.returncode == 1


def test_a_vm_whose_owner_was_killed_is_dead_and_leaves_nothing_but_its_settings(place):
    place.boot("four", "--engine", "uml")
    place.kill_owner("four")
    assert place.state("four") == "dead"
    assert os.listdir(place.file("four", "vmm")) == []
    assert not os.path.exists(place.file("four", "control.sock"))
    assert "does not run (dead)" in place.refuse("pause", "four")
    os.unlink(place.file("four", "swept"))  # as if it had been killed before it had a socket
    left = place.file("four", "networks")
    with open(left, "w") as file:
        file.write("pe-vm-0-none\n")
    place.do("list")
    assert not os.path.exists(left) and os.path.exists(place.file("four", "swept"))
    place.do("boot", "--wait", "300", "four")
    assert place.shell("four", "echo alive") == "alive\n"
    owner = place.info("four")["running"]["owner_pid"]
    os.kill(owner, signal.SIGSTOP)  # delete also ends an owner that does not answer
    os.kill(owner, signal.SIGCONT)
    place.do("delete", "four")
    assert place.state("four") is None


def test_two_boots_at_once_start_one_vm(place):
    place.do("create", "--engine", "uml", "five")
    boots = [subprocess.Popen(place.argv("boot", "five"), stderr=subprocess.PIPE) for _ in range(4)]
    results = [(boot.communicate()[1], boot.returncode) for boot in boots]
    assert sorted(status for _, status in results) == [0, 2, 2, 2], results
    time.sleep(0.1)
    assert place.state("five") == "running"
