# SPDX-License-Identifier: Apache-2.0
"""Output while the job runs: events in the place of one reply."""
import json
import os
import signal
import subprocess
import threading

import pytest

from fixtures.live_server import base64_text, event_text, events, problem_event
from fixtures.pe_run import PE_RUN, environment, run
from fixtures.stub_server import Server, answer, problem
from fixtures.terminal import ERASE, Terminal
from fixtures.waiting import PATIENCE


def start(server, *arguments, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [PE_RUN, *arguments, "gcc:14"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment(server), **streams)


# ---- output ----


def test_output_is_printed_while_the_program_runs():
    seen = threading.Event()

    def script(body):
        body.event("queued", id="0" * 32)
        body.event("started")
        body.stdout("one\n")
        assert seen.wait(PATIENCE)
        body.event("stderr", text="warning\n")
        body.result(exit_code=3)

    with Server(events(script)) as server:
        job = start(server)
        assert job.stdout.readline() == b"one\n"
        seen.set()
        assert job.communicate(timeout=PATIENCE) == (b"", b"warning\n")
        accepted = server.seen["accept"]
    assert job.returncode == 3
    assert accepted == "application/x-ndjson, multipart/form-data;q=0.5", "an older server sends a form"


def test_bytes_that_are_no_text_arrive_as_they_are():
    output = bytes(range(256)) * 300

    def script(body):
        body.stdout("a\0b\u20ac")
        body.event("stdout", base64=base64_text(output))
        body.result()

    with Server(events(script)) as server:
        assert run("gcc:14", server=server).stdout == "a\0b\u20ac".encode() + output


def test_events_may_arrive_in_any_pieces_and_between_empty_lines():
    def script(body):
        for byte in b'\n\r\n{"type":"stdout","text":"hello"}\r\n\n':
            body.raw(bytes([byte]))
        body.result()

    with Server(events(script)) as server:
        done = run("gcc:14", server=server)
    assert (done.stdout, done.stderr, done.returncode) == (b"hello", b"", 0)


def test_events_that_a_later_version_added_are_ignored():
    def script(body):
        body.event("weather", text=["rain"], base64=7)
        body.stdout("out")
        body.result(more={"of": "this"})

    with Server(events(script)) as server:
        assert run("gcc:14", server=server).stdout == b"out"


def test_combined_output_is_printed_when_the_job_has_ended():
    def script(body):
        body.stdout("o")
        body.event("stderr", text="e")
        body.event("combined", text="eo")
        body.result()

    with Server(events(script)) as server:
        done = run("--combined", "gcc:14", server=server)
    assert (done.stdout, done.stderr) == (b"eo", b"")


def test_a_job_that_begins_again_says_so_after_output(tmp_path):
    def script(body):
        body.event("restarted", reason="nothing was printed yet")
        body.stdout("half of i")
        body.event("file", name="old", size=1, mode="0644", text="x")
        body.event("restarted", reason="the slot\x1b was lost")
        body.stdout("all of it")
        body.result()

    with Server(events(script)) as server:
        done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
    assert done.stdout == b"half of iall of it"
    notice = b"pe-run: the job is started again, and its output begins again (the slot? was lost)\n"
    assert done.stderr == notice
    assert os.listdir(f"{tmp_path}/out") == []


def test_output_files_keep_their_content_bits_and_times(tmp_path):
    def script(body):
        body.event("folder", name="d", mode="0755", mtime=1_000_000_000)
        body.event("file", name="d/run", size=3, mode="0755", mtime=1_100_000_000, text="#!\n")
        body.event("file", name="raw", size=2, mode="0644", base64=base64_text(b"\xff\0"))
        exact = base64_text(b"caf\xe9")
        body.event("file", name="caf\ufffd", name_base64=exact, size=1, mode="0644", text="x")
        body.result()

    out = f"{tmp_path}/out"
    with Server(events(script)) as server:
        done = run("--output", out, "gcc:14", server=server)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(os.fsencode(out))) == [b"caf\xe9", b"d", b"raw"]
    assert open(f"{out}/raw", "rb").read() == b"\xff\0"
    info = os.stat(f"{out}/d/run")
    assert (info.st_mode & 0o111 != 0, info.st_mtime) == (True, 1_100_000_000)
    assert os.stat(f"{out}/d").st_mtime == 1_000_000_000


def test_notices_follow_the_output():
    def script(body):
        body.stdout("x")
        body.event("file", name="f", size=1, mode="0644", text="x")
        body.result(status="timeout", exit_code=None, signal=9)

    with Server(events(script)) as server:
        done = run("-v", "gcc:14", server=server)
    assert done.returncode == 124
    assert b"exceeded its time limit" in done.stderr
    assert b"wrote 1 files to /output" in done.stderr


def test_truncated_output_is_reported_with_how_much_there_was():
    def script(body):
        body.stdout("lost\n" * 1000)
        body.event("restarted", reason="again")
        body.stdout("x" * 2048)
        body.stdout("x" * 1024)
        body.event("stderr", text="y" * 1024)
        body.result(stdout_truncated=True, stderr_truncated=True)

    with Server(events(script)) as server:
        notices = run("gcc:14", server=server).stderr
    assert b"only the first 3 KiB of standard output are kept\n" in notices
    assert b"only the first 1 KiB of standard error are kept\n" in notices


def test_json_is_asked_for_as_one_reply():
    body = json.dumps({"stdout": "x"}).encode()
    with Server((200, {"Content-Type": "application/json"}, body)) as server:
        run("--json", "gcc:14", server=server)
        assert server.seen["accept"] == "application/json"


# ---- slow and absent readers ----


def test_a_reader_that_has_gone_does_not_end_the_job():
    gone = threading.Event()

    def script(body):
        body.stdout("first\n")
        assert gone.wait(PATIENCE)
        for _ in range(100):
            body.stdout("more\n" * 1000)
        body.event("stderr", text="still here")
        body.result(exit_code=4)

    with Server(events(script)) as server:
        job = start(server)
        assert job.stdout.readline() == b"first\n"
        job.stdout.close()
        gone.set()
        assert job.stderr.read() == b"still here"
        assert job.wait(PATIENCE) == 4


def test_a_reader_that_does_not_read_does_not_keep_it_from_ending():
    full = threading.Event()

    def script(body):
        try:
            body.stdout("first\n")
            body.stdout("x" * (1 << 20))
            full.set()
            body.client_is_gone()
        except ConnectionError:
            pass

    with Server(events(script)) as server:
        job = start(server)
        assert job.stdout.readline() == b"first\n"
        assert full.wait(PATIENCE)
        job.send_signal(signal.SIGINT)
        assert job.wait(PATIENCE) == 130, "a pipe that is full holds up nothing but the output"


def test_an_interrupt_closes_the_connection_and_keeps_what_was_printed():
    gone = threading.Event()

    def script(body):
        body.stdout("first\n")
        body.client_is_gone()
        gone.set()

    with Server(events(script)) as server:
        job = start(server)
        assert job.stdout.readline() == b"first\n"
        job.send_signal(signal.SIGINT)
        assert job.wait(PATIENCE) == 130
        assert gone.wait(PATIENCE), "that cancels the job"


# ---- a terminal ----


def test_the_progress_line_is_cleared_for_output_and_does_not_return():
    seen = threading.Event()

    def script(body):
        body.event("queued", id="0" * 32)
        assert seen.wait(PATIENCE)
        seen.clear()
        body.stdout("Your name: ")
        assert seen.wait(PATIENCE)
        body.stdout("Joe\n")
        body.result()

    with Server(events(script)) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting \d+\.\d s")
        seen.set()
        terminal.until(rb"Your name: ")
        for _ in range(10):
            terminal.read(0.1)
        seen.set()
        assert terminal.end() == 0
    assert terminal.seen.endswith(ERASE + b"Your name: Joe\r\n")


# ---- servers that fail ----


@pytest.mark.parametrize(
    "sent, code, reason",
    [
        (b"", 69, b"the connection to the server ended before the job did"),
        (b'{"type":"started"}\n{"type":"std', 69, b"the connection to the server ended"),
        (b"<html>\n", 125, b"not a JSON object with a 'type'"),
        (b"[]\n", 125, b"not a JSON object with a 'type'"),
        (b'{"type":7}\n', 125, b"not a JSON object with a 'type'"),
        (b"\0\0\0\n", 125, b"not a JSON object with a 'type'"),
        (b"[" * 100000 + b"\n", 125, b"broken event"),
        (b'{"type":"stdout"}\n', 125, b"neither 'text' nor 'base64'"),
        (b'{"type":"stdout","base64":"%%%"}\n', 125, b"broken event"),
        (b'{"type":"stdout","text":["x"]}\n', 125, b"neither 'text' nor 'base64'"),
        (b'{"type":"file","text":"x"}\n', 125, b"it has no name"),
        (b'{"type":"file","name":"../x","text":"x"}\n', 125, b"broken event 'file'"),
        (b'{"type":"result"}\n', 125, b"broken event 'result'"),
        (b'{"type":"problem"}\n', 125, b"broken event 'problem'"),
        (b'{"type":"taken","bytes":-1}\n', 125, b"broken event 'taken'"),
        (b'{"type":"problem","problem":[]}\n', 125, b"broken event 'problem'"),
        (
            event_text("problem", **problem_event(503, "There is no slot", "wait\x1b a bit", "no-capacity")),
            75,
            b"There is no slot: wait? a bit",
        ),
        (
            event_text("problem", **problem_event(404, "No such image", "x", "unknown-image")),
            66,
            b"No such image: x",
        ),
    ],
)
def test_a_server_that_fails_on_the_way_is_named(sent, code, reason):
    def script(body):
        body.stdout("before\n")
        body.raw(sent + (b"\n" if sent.startswith(b'{"type": "problem"') else b""))

    with Server(events(script)) as server:
        done = run("gcc:14", server=server)
    assert done.stdout == b"before\n"
    assert done.returncode == code, done.stderr
    assert reason in done.stderr and done.stderr.startswith(b"pe-run: ")
    assert b"\x1b" not in done.stderr


def test_more_files_than_a_job_can_have_are_refused():
    def script(body):
        for number in range(17):
            body.event("file", name=f"f{number}", text="x" * (1 << 20))
        body.result()

    with Server(events(script)) as server:
        done = run("gcc:14", server=server)
    assert done.returncode == 125
    assert b"more than 16 MiB of output files" in done.stderr


def test_a_line_without_end_is_refused():
    def script(body):
        body.raw(b'{"type":"stdout","text":"')
        for _ in range(102):
            body.raw(b"x" * (1 << 20))

    with Server(events(script)) as server:
        done = run("gcc:14", server=server)
    assert done.returncode == 125
    assert b"an event that is too large" in done.stderr


def test_a_refusal_before_the_first_event_is_an_ordinary_reply():
    with Server(problem(422, "The job is wrong", "no such field")) as server:
        done = run("gcc:14", server=server)
    assert (done.returncode, done.stderr) == (65, b"pe-run: The job is wrong: no such field\n")


def test_a_server_of_an_older_version_sends_everything_at_the_end():
    with Server(answer(stdout=b"out", stderr=b"err", exit_code=2)) as server:
        done = run("gcc:14", server=server)
    assert (done.stdout, done.stderr, done.returncode) == (b"out", b"err", 2)
