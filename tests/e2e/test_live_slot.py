# SPDX-License-Identifier: Apache-2.0
"""Live jobs, as the balancer sees them: a real worker, and a stand-in for the balancer that speaks the slot
protocol with it."""
import hashlib
import os
import shutil
import time

import pytest

from fixtures import engine
from fixtures.paths import GUEST
from fixtures.slot_balancer import WINDOW, SlotBalancer
from fixtures.stand_in_worker import BINARY, Closed
from fixtures.vm import make_squashfs
from fixtures.waiting import PATIENCE
from fixtures.worker import Worker

TTY = {"tty": {"rows": 24, "cols": 80, "term": "xterm-256color"}}


@pytest.fixture(scope="module")
def live_balancer():
    balancer = SlotBalancer()
    yield balancer
    balancer.close()


@pytest.fixture(scope="module")
def live_worker(live_balancer):
    worker = Worker(live_balancer.url, *engine.OPTIONS, slots=1)
    worker.start()
    yield worker
    worker.close()


@pytest.fixture
def slot(live_balancer, live_worker):
    """The worker's only slot, with a warm VM. A slot that a test has closed connects again."""
    slot = getattr(live_balancer, "current", None)
    if slot is None or slot.sock.fileno() < 0:
        live_balancer.current = slot = live_balancer.slots.get(timeout=10 * PATIENCE)
    slot.wait_ready("busybox:1.35")
    return slot


def test_a_worker_says_that_it_can_do_live_jobs(live_balancer, slot):
    assert slot.ready["live"] == 1
    assert live_balancer.hello.get(timeout=PATIENCE)["live"] == 1
    slot.start("true").end()


@pytest.mark.each_engine
def test_output_arrives_while_the_program_runs(slot):
    job = slot.start("echo one; echo two >&2; read x; echo got $x", input={})
    job.until(b"one\n").until(b"two\n", "stderr")
    job.type(b"line\n")
    assert job.end().stdout == b"one\ngot line\n"
    assert job.stderr == b"two\n"
    assert job.taken in (0, 5)  # the job may end before this is reported


def test_the_output_from_the_beginning_arrives_when_it_is_asked_for_late(slot):
    job = slot.start("echo begin; cat; echo end", input={}, watch=False)
    job.type(b"x\n")
    while job.taken < 2:
        job.step()
    assert job.output["stdout"] == b""
    job.watch()
    job.until(b"begin\n")
    job.send("eof")
    assert job.end().stdout == b"begin\nx\nend\n"


def test_a_job_that_nobody_watches_sends_no_output(slot):
    job = slot.start("seq 100000", watch=False).end()
    assert job.output == {"stdout": b"", "stderr": b""}
    assert job.stdout.endswith(b"\n100000\n")


@pytest.mark.each_engine
def test_a_long_output_arrives_completely_and_in_order(slot):
    script = "yes 0123456789abcde | head -c 6000000; yes error | head -c 3000000 >&2"
    job = slot.start(script, stdout_max=8 << 20, stderr_max=8 << 20).end()
    assert job.stdout == b"0123456789abcde\n" * 375000
    assert job.stderr == b"error\n" * 500000


def test_a_stream_that_is_cut_has_no_more_bytes_than_the_result(slot):
    job = slot.start("printf aaaaa; sleep 1; printf '\\303\\251\\303\\251\\303\\251'", stdout_max=8)
    assert job.end().stdout == b"aaaaa\xc3\xa9"
    assert job.result["stdout_truncated"]


def test_input_of_many_windows_arrives_in_order(slot):
    data = b"".join(b"%07d\n" % i for i in range(100000))
    job = slot.start("md5sum; wc -c </dev/null", input={})
    job.type(data)
    job.send("eof")
    assert hashlib.md5(data).hexdigest().encode() in job.end().stdout
    assert job.taken > len(data) - WINDOW


def test_input_for_a_program_that_does_not_read_it_stays_within_the_window(slot):
    job = slot.start("sleep 1", input={})
    job.type(b"x" * WINDOW)
    assert job.end().result["exit_code"] == 0
    assert job.taken <= WINDOW


def test_input_for_a_program_that_has_closed_it_is_taken(slot):
    job = slot.start("exec <&-; echo closed; sleep 2", input={}).until(b"closed\n")
    job.type(b"x" * 3 * WINDOW)
    assert job.end().result["exit_code"] == 0


@pytest.mark.each_engine
def test_a_program_can_be_sent_signals(slot):
    script = "trap 'echo usr1' USR1; trap 'echo int; exit 3' INT; echo ready; while :; do sleep 0.1; done"
    job = slot.start(script, input={}).until(b"ready\n")
    job.send("signal", signal=10)
    job.until(b"usr1\n")
    job.send("signal", signal=2)
    assert job.end().result["exit_code"] == 3


def test_a_program_can_be_killed(slot):
    job = slot.start("echo ready; exec sleep 60", input={}).until(b"ready\n")
    job.send("signal", signal=9)
    assert job.end().result["signal"] == 9


@pytest.mark.each_engine
def test_a_program_with_a_terminal_sees_its_name_its_size_and_its_kind(slot):
    script = "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all; echo x >/dev/tty"
    job = slot.start(script, input=TTY).end()
    assert job.stdout == b"/dev/pts/0\r\n24 80\r\nxterm-256color\r\nall\r\nx\r\n"
    assert job.stderr == b"" and job.result["exit_code"] == 0


@pytest.mark.each_engine
def test_a_terminal_echoes_and_ctrl_c_interrupts_only_the_program_in_the_foreground(slot):
    job = slot.start(["sh", "-i"], input=TTY)
    job.type(b"echo $((40+2))\n")
    job.until(b"echo $((40+2))\r\n").until(b"42\r\n")
    # A program that prints is in the foreground. A shell that is about to start one is not yet waiting.
    job.type(b"sh -c \"echo be''gin; sleep 60\"; echo af''ter\n")
    job.until(b"begin\r\n")
    job.type(b"\x03")
    job.type(b"echo still $((1+1))\n")
    job.until(b"still 2\r\n")
    job.type(b"exit 7\n")
    assert job.end().result["exit_code"] == 7
    assert b"after" not in job.stdout


def test_a_window_of_another_size_is_announced_to_the_program(slot):
    job = slot.start("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done", input=TTY)
    job.until(b"ready\r\n")
    job.send("resize", rows=50, cols=132)
    job.until(b"50 132\r\n")
    assert job.end().result["exit_code"] == 0


def test_the_end_of_input_ends_a_program_that_reads_its_terminal(slot):
    job = slot.start("cat; echo end", input=TTY)
    job.type(b"word\n")
    job.until(b"word\r\nword\r\n")
    job.send("eof")
    assert job.end().stdout == b"word\r\nword\r\nend\r\n"


def test_the_end_of_input_counts_behind_an_incomplete_line(slot):
    job = slot.start("cat; echo end", input=TTY)
    job.type(b"word")
    job.until(b"word")
    job.send("eof")
    assert job.end().stdout == b"wordwordend\r\n"


def test_all_that_a_terminal_showed_is_in_the_result(slot):
    job = slot.start("seq 20000", input=TTY).end()
    assert job.stdout == b"".join(b"%d\r\n" % i for i in range(1, 20001))


def test_a_terminal_belongs_to_the_program_and_not_to_what_it_left_behind(slot):
    job = slot.start("(sleep 100; echo late) & echo done", input=TTY).end()
    assert job.stdout == b"done\r\n" and job.result["exit_code"] == 0


def test_resizing_ten_thousand_times_does_not_delay_the_program(slot):
    job = slot.start("read x; stty size", input=TTY)
    for number in range(10000):
        job.send("resize", rows=1 + number % 100, cols=1 + number % 90)
    job.send("resize", rows=33, cols=44)
    job.type(b"\n")
    assert b"33 44\r\n" in job.end().stdout


def test_messages_for_a_job_that_has_ended_are_ignored(slot):
    job = slot.start("true", input=TTY).end()
    job.send("input", size=3)
    slot.send(BINARY, b"abc")
    for kind, members in ("eof", {}), ("signal", {"signal": 2}), ("resize", {"rows": 1, "cols": 1}):
        job.send(kind, **members)
    slot.wait_ready("busybox:1.35")
    assert slot.start("echo next").end().stdout == b"next\n"


def test_a_balancer_that_sends_more_than_the_window_is_left(slot):
    """The slot connects again, which the next test needs."""
    job = slot.start("sleep 100", input={})
    for _ in range(2):
        job.send("input", size=WINDOW)
        slot.send(BINARY, b"x" * WINDOW)
    with pytest.raises((Closed, OSError)):
        while True:
            slot.receive()
    slot.close()


def test_a_balancer_that_reads_nothing_stops_neither_the_job_nor_the_slot(slot):
    """The program ends although nobody reads its output. Then everything arrives."""
    job = slot.start("yes | head -c 5000000", stdout_max=16 << 20)
    time.sleep(1)
    assert job.end().stdout == b"y\n" * 2500000


@pytest.mark.only_with("uml", "the guest is a program that takes the place of pe-init on a disk of its own")
def test_a_guest_that_lies_and_rings_without_end_harms_only_its_own_live_data(tmp_path):
    """The worker's VMs run tests/guest/live_liar.c."""
    root = tmp_path / "root"
    for name in "dev", "proc":
        (root / name).mkdir(parents=True)
    shutil.copy(os.path.join(GUEST, "live-liar"), root / "init")
    make_squashfs(str(root), str(tmp_path / "root.squashfs"))
    (tmp_path / "initramfs.cpio").write_bytes(b"")
    tmp_path.chmod(0o711)
    balancer = SlotBalancer()
    initramfs = str(tmp_path / "initramfs.cpio")
    worker = Worker(balancer.url, *engine.OPTIONS, "--initramfs", initramfs, slots=1)
    worker.start()
    try:
        slot = balancer.slot()
        for _ in range(2):
            job = slot.start("echo never", input={})
            job.type(b"input that nobody takes")
            assert job.end().stdout == b"of a liar\n"
            assert job.output == {"stdout": b"", "stderr": b""} and job.taken == 0
            slot.wait_ready("busybox:1.35")
        assert worker.log().count("no live data any more: the counters") == 2
    finally:
        worker.close()
        balancer.close()
