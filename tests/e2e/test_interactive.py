# SPDX-License-Identifier: Apache-2.0
"""pe-run with programs that run while one looks on: output as it is printed, typed input, terminals."""
import os
import re
import signal
import subprocess
import termios

import pytest

from fixtures.pe_run import PE_RUN, environment
from fixtures.terminal import Terminal
from fixtures.waiting import PATIENCE

PROMPT = rb"/work # (\x1b\[6n)?$"  # of the image's shell, which also asks where the cursor is
MIB = 1 << 20


def start(service, *arguments, stdin=subprocess.PIPE):
    return subprocess.Popen(
        [PE_RUN, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(service),
    )


def type_line(terminal, text, wanted=PROMPT):
    """Type a line, and read until the terminal shows what is wanted. Returns what it showed since."""
    before = len(terminal.seen)
    os.write(terminal.fd, text.encode() + b"\r")
    terminal.until(wanted, since=before + 1)
    return terminal.seen[before:].replace(b"\r\n", b"\n")


# ---- output ----


def test_output_is_seen_while_the_program_runs(service):
    script = "echo one; echo two >&2; sleep 1000"
    job = start(service, "--timeout", "60", "busybox:1.35", "--", "sh", "-c", script, stdin=subprocess.DEVNULL)
    assert job.stdout.readline() == b"one\n"
    assert job.stderr.readline() == b"two\n"
    job.send_signal(signal.SIGINT)
    assert job.wait(PATIENCE) == 130


# ---- a pipe as input ----


@pytest.mark.each_engine
def test_a_program_answers_what_it_is_sent_and_sees_the_end(service):
    script = 'while read -r line; do echo "got $line"; done; echo end; exit 3'
    job = start(service, "-i", "busybox:1.35", "--", "sh", "-c", script)
    for word in b"a", b"b c", b"\xff":
        job.stdin.write(word + b"\n")
        job.stdin.flush()
        assert job.stdout.readline() == b"got " + word + b"\n"
    job.stdin.close()
    assert job.stdout.read() == b"end\n"
    assert (job.wait(PATIENCE), job.stderr.read()) == (3, b"")


def test_a_hundred_megabytes_of_input_arrive_whole(service, tmp_path):
    size = 100 * MIB
    with open(f"{tmp_path}/much", "wb") as file:
        file.truncate(size)
    with open(f"{tmp_path}/much", "rb") as much:
        job = start(service, "-i", "busybox:1.35", "--", "wc", "-c", stdin=much)
        assert job.stdout.read() == f"{size}\n".encode()
        assert (job.wait(PATIENCE), job.stderr.read()) == (0, b"")


# ---- a terminal ----


@pytest.fixture
def at_terminal(service):
    """A function that runs pe-run on a terminal for the service. All of them end with the test: the service
    runs few such jobs at a time."""
    opened = []

    def run(*arguments, **more):
        opened.append(Terminal(*arguments, server=service, **more))
        return opened[-1]

    yield run
    for terminal in opened:
        terminal.abandon()
    service.wait_until(lambda health: health["running"] == 0, "no job runs any more")


@pytest.mark.each_engine
def test_a_shell_has_a_terminal_with_a_window_and_ctrl_c(at_terminal):
    terminal = at_terminal("-it", "busybox:1.35", "--", "sh", columns=100)
    terminal.until(PROMPT)
    shown = type_line(terminal, "tty; stty size; echo $TERM; echo err >&2")
    assert re.search(rb"\n/dev/\S+\n24 100\nxterm\nerr\n", shown), shown
    termios.tcsetwinsize(terminal.fd, (50, 132))
    wait = "until [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; done; echo resi''zed"
    type_line(terminal, wait, rb"resized\r\n" + PROMPT)
    # A program that prints is in the foreground. A shell that is about to start one is not yet waiting.
    command = "sh -c \"echo sle''eps; sleep 1000\"; echo not here"
    type_line(terminal, command, rb"sleeps\r\n$")
    os.write(terminal.fd, b"\x03")
    terminal.until(rb"\^C\r\n" + PROMPT)
    os.write(terminal.fd, b"exit 7\r")
    assert terminal.end() == 7


def test_python_is_a_prompt(at_terminal):
    terminal = at_terminal("-it", "python:3", "--", "python3", "-q", TERM="dumb")
    terminal.until(rb">>> $")
    assert b"\n42\n" in type_line(terminal, "print(6 * 7)", rb"42\r\n>>> $")
    type_line(terminal, "while True: pass", rb"pass\r\n\.\.\. $")
    os.write(terminal.fd, b"\r")
    terminal.until(rb"\.\.\. \r\n$")
    os.write(terminal.fd, b"\x03")
    terminal.until(rb"KeyboardInterrupt\r\n>>> $")
    os.write(terminal.fd, b"exit(5)\r")
    assert terminal.end() == 5


def test_a_program_that_ignores_ctrl_c_is_ended_by_the_second_one(at_terminal):
    script = "trap '' INT; echo ready; while :; do sleep 1; done"
    terminal = at_terminal("-it", "busybox:1.35", "--", "sh", "-c", script)
    terminal.until(rb"ready")
    os.write(terminal.fd, b"\x03\x03")
    assert terminal.end() == 130


def test_without_a_server_there_is_a_shell_as_well(tmp_path):
    terminal = Terminal("-it", "busybox:1.35", "--", "sh", XDG_RUNTIME_DIR=tmp_path, **local_home())
    terminal.until(PROMPT, seconds=2 * PATIENCE)
    assert b"\n42\n" in type_line(terminal, "echo $((6 * 7))")
    os.write(terminal.fd, b"exit 3\r")
    assert terminal.end() == 3
    assert os.listdir(tmp_path) == []


def local_home():
    """Where a run without a server finds its guest and its images."""
    return {"PE_HOME": os.environ["PE_HOME"]} if "PE_HOME" in os.environ else {}
