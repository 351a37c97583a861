# SPDX-License-Identifier: Apache-2.0
"""What a person at a terminal sees while a job is under way."""
import json
import os
import re
import signal
import threading
import time

from fixtures.pe_run import PE_RUN, left_behind, make_home, run, write
from fixtures.stub_server import Server, answer
from fixtures.terminal import ERASE, Terminal
from fixtures.waiting import PATIENCE, eventually


def held(event, reply=None):
    def hold(handler):
        event.wait(10 * PATIENCE)
        return reply or answer(stdout=b"done\n")

    return hold


def told(state, **fields):
    body = {"state": state, "position": None, "wait_ms": None, "running_ms": None, **fields}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def test_a_fast_job_draws_nothing(tmp_path):
    with Server(answer(stdout=b"hi\n")) as server:
        terminal = Terminal("gcc:14", server=server)
        assert terminal.end() == 0, "all that the terminal got"
        assert terminal.seen == b"hi\r\n", "all that the terminal got"
        assert server.asked == [], "questions"


def test_a_waiting_job_shows_its_queue_position_and_then_that_it_runs(tmp_path):
    event = threading.Event()
    states = [
        told("queued", position=3, wait_ms=4200),
        told("queued", position=2, wait_ms=1500),
        told("running", running_ms=2100),
    ]
    with Server(
        held(event), pages=lambda path: states.pop(0) if len(states) > 1 else states[0]
    ) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting \d+\.\d s")
        terminal.until(rb"queued \(position 3, about \d+ s\)")
        terminal.until(rb"queued \(position 2, about \d+ s\)")
        terminal.until(rb"running \d+\.\d s")
        event.set()
        assert terminal.end() == 0, "exit code"
        assert set(server.asked) == {"/v1/jobs/" + server.seen["id"]}, "questions"
    assert re.fullmatch("[0-9a-f]{32}", server.seen["id"]) is not None, server.seen["id"]
    assert ERASE + b"done\r\n" in terminal.seen
    assert terminal.seen.count(b"\n") == 1, "the progress is one line that is drawn again"


def test_uploads_and_downloads_show_their_progress(tmp_path):
    big = write(f"{tmp_path}/big", os.urandom(12 << 20))
    event = threading.Event()

    def slow_body(handler):
        status, headers, body = answer(stdout=b"x" * 3_000_000)
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(body[: 2 << 20])
        event.wait(PATIENCE)
        handler.wfile.write(body[2 << 20 :])
        handler.close_connection = True
        raise ConnectionAbortedError

    with Server(answer(stdout=b"done\n")) as server:
        server.http.gate = threading.Event()
        terminal = Terminal("gcc:14", big, server=server)
        terminal.until(rb"uploading \d+\.\d/12\.0 MiB")
        server.http.gate.set()
        assert terminal.end() == 0, "exit code"
    with Server(slow_body) as server:
        terminal = Terminal("gcc:14", server=server, pipe=True)
        terminal.until(rb"receiving 2\.\d MiB")
        event.set()
        assert terminal.end() == 0, "output"
        assert len(terminal.piped) == 3_000_000, "output"
    assert ERASE in terminal.seen


def test_a_server_without_queue_positions_is_asked_only_three_times(tmp_path):
    event = threading.Event()
    with Server(held(event)) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting ([4-9]|\d\d+)\.\d s")
        event.set()
        assert terminal.end() == 0, "exit code, questions"
        assert len(server.asked) == 3, "exit code, questions"


def test_no_progress_is_drawn_without_a_terminal(tmp_path):
    def slow(handler):
        time.sleep(0.8)
        return answer(stdout=b"done\n")

    with Server(slow) as server:
        assert run("gcc:14", server=server).stderr == b"", "no terminal"
        for arguments, more in (((), {"TERM": "dumb"}), (("--quiet",), {})):
            terminal = Terminal(*arguments, "gcc:14", server=server, **more)
            assert terminal.end() == 0, (arguments, more)
            assert terminal.seen == b"done\r\n", (arguments, more)


def test_stdout_in_a_pipe_has_the_programs_bytes_only(tmp_path):
    def slow(handler):
        time.sleep(0.8)
        return answer(stdout=b"done\n", stderr=b"warning\n")

    with Server(slow) as server:
        terminal = Terminal("gcc:14", server=server, pipe=True)
        assert terminal.end() == 0, "pipe"
        assert terminal.piped == b"done\n", "pipe"
        assert ERASE + b"warning\r\n" in terminal.seen


def test_the_progress_line_is_cut_to_the_width_of_the_terminal(tmp_path):
    event = threading.Event()
    with Server(
        held(event), pages=lambda path: told("queued", position=123456, wait_ms=7000000)
    ) as server:
        terminal = Terminal("gcc:14", server=server, columns=20)
        terminal.until(rb"queued \(position 1")
        event.set()
        terminal.end()
    drawn = [piece for piece in re.split(rb"\r|\x1b\[K", terminal.seen) if piece]
    assert max(len(piece) for piece in drawn[:-1]) < 20, drawn


def test_ctrl_c_at_the_terminal_clears_the_line_and_ends(tmp_path):
    event = threading.Event()
    with Server(held(event)) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting \d+\.\d s")
        os.write(terminal.fd, b"\x03")
        assert terminal.end() == 130, "exit code"
        event.set()
    assert ERASE + b"pe-run: interrupted by a signal: Interrupt" in terminal.seen


def test_without_a_server_the_progress_line_shows_what_is_started(tmp_path):
    home = make_home(tmp_path, answer(stdout=b"hi\n"))
    write(f"{tmp_path}/worker-slow")
    terminal = Terminal("busybox:1.35", **home)
    terminal.until(rb"starting pe-worker \d\.\d s")
    assert terminal.end() == 0, "exit code"
    assert ERASE + b"hi\r\n" in terminal.seen
    assert not (b"waiting for the worker" in terminal.seen), "no lines beside the one that is drawn"
    eventually(lambda: left_behind(tmp_path) == [], "all has ended")


def test_a_job_in_the_background_does_not_draw(tmp_path):
    event = threading.Event()
    with Server(held(event)) as server:
        shell = Terminal(
            "-mc",
            f"'{PE_RUN}' gcc:14 & sleep 1.5; kill %1; wait; echo over",
            server=server,
            program="/bin/bash",
        )
        shell.until(rb"over")
        event.set()
        shell.end()
    assert not (b"waiting" in shell.seen), shell.seen


def test_closing_the_terminal_ends_the_job(tmp_path):
    event, gone = threading.Event(), threading.Event()

    def hold(handler):
        handler.connection.settimeout(PATIENCE)
        gone.set() if handler.connection.recv(1) == b"" else None
        event.set()
        raise ConnectionAbortedError

    with Server(hold) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting \d+\.\d s")
        terminal.kill(signal.SIGHUP)
        assert terminal.end() == 128 + signal.SIGHUP, "exit code"
        assert gone.wait(PATIENCE), "the connection was closed"
