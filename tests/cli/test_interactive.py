# SPDX-License-Identifier: Apache-2.0
"""Typed input, and terminals: GET /v1/connect."""
import base64
import hashlib
import os
import re
import signal
import socket
import subprocess
import termios
import threading

import pytest

from fixtures import processes
from fixtures.live_server import BINARY, TEXT, connect_server, problem_event
from fixtures.pe_run import PE_RUN, environment, left_behind, make_home, run, write
from fixtures.stub_server import Server, answer, problem
from fixtures.terminal import Terminal
from fixtures.waiting import PATIENCE, eventually


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


# ---- a pipe ----


def test_input_is_passed_while_the_program_runs_and_its_end_as_well():
    def script(ws):
        assert ws.message()["type"] == "run"
        ws.started()
        ws.stdout("name? ")
        name = ws.input()
        ws.stdout(f"hello {name.decode()}")
        assert ws.input() is None
        ws.event("stderr", text="bye\n")
        ws.result(exit_code=5)

    with connect_server(script) as server:
        job = subprocess.Popen(
            [PE_RUN, "-i", "gcc:14"],
            env=environment(server),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert job.stdout.read(6) == b"name? "
        job.stdin.write(b"Joe\n")
        job.stdin.flush()
        assert job.stdout.read(10) == b"hello Joe\n"
        assert job.communicate(timeout=PATIENCE) == (b"", b"bye\n")
    assert job.returncode == 5


def test_the_job_and_its_files_are_the_first_message(tmp_path):
    seen = {}

    def script(ws):
        seen.update(ws.message())
        ws.started()
        ws.result()

    main = write(f"{tmp_path}/main.c", b"int main;\xff")
    with connect_server(script) as server:
        arguments = ("-i", "-e", "A=1", "--timeout", "2", "gcc:14", main, "--", "cat", "-")
        done = run(*arguments, server=server)
        request = server.seen
    assert done.returncode == 0, done.stderr
    assert "tty" not in seen and seen["type"] == "run"
    job = seen["job"]
    assert (job["image"], job["cmd"], job["env"]) == ("gcc:14", ["cat", "-"], {"A": "1"})
    assert job["timeout_ms"] == 2000
    assert job["files"] == {"main.c": {"base64": base64.b64encode(b"int main;\xff").decode()}}
    assert "stdin" not in job
    assert request["host"] == server.url[len("http://") :]
    assert len(request["id"]) == 32 and request["authorization"] is None


def test_the_token_of_a_profile_is_sent(tmp_path):
    def script(ws):
        ws.started()
        ws.result()

    with connect_server(script) as server:
        config = f"[profile p]\nserver = {server.url}\ntoken = secret\n"
        path = write(f"{tmp_path}/program-explorer/config", config.encode())
        os.chmod(path, 0o600)
        done = run("-i", "-p", "p", "gcc:14", XDG_CONFIG_HOME=tmp_path)
        assert server.seen["authorization"] == "Bearer secret"
        assert done.returncode == 0, done.stderr
        with_name = server.url.replace("http://", "http://me:pass@")
        run("-i", "--server", with_name, "gcc:14")
        assert server.seen["authorization"] == "Basic " + base64.b64encode(b"me:pass").decode()


def test_the_trace_of_the_environment_is_sent_with_an_interactive_job():
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    def script(ws):
        ws.started()
        ws.result()

    with connect_server(script) as server:
        variables = {"TRACEPARENT": trace, "TRACESTATE": "a=1"}
        assert run("-i", "gcc:14", server=server, **variables).returncode == 0
        assert (server.seen["traceparent"], server.seen["tracestate"]) == (trace, "a=1")


def test_much_input_never_exceeds_the_window_and_arrives_whole():
    window, data = 20_000, os.urandom(3_000_000)
    got, under_way = hashlib.sha256(), [0]

    def script(ws):
        assert ws.message()["type"] == "run"
        ws.started(window)
        pieces = []
        while (message := ws.message()) != {"type": "eof"}:
            under_way.append(sum(map(len, pieces)) + len(message))
            pieces.append(message)
            got.update(message)
            if sum(map(len, pieces)) == window:  # nothing more can come before this
                for piece in pieces:
                    ws.event("taken", bytes=len(piece))
                pieces = []
        ws.result()

    with connect_server(script) as server:
        assert run("-i", "gcc:14", server=server, stdin=data).returncode == 0
    assert got.digest() == hashlib.sha256(data).digest()
    assert max(under_way) == window


def test_output_that_nobody_reads_does_not_hold_up_the_input():
    done = threading.Event()

    def script(ws):
        assert ws.message()["type"] == "run"
        ws.started()
        ws.stdout("x" * 200_000)
        assert ws.input() == b"typed"
        done.set()
        ws.until_gone()

    with connect_server(script) as server:
        job = subprocess.Popen(
            [PE_RUN, "-i", "gcc:14"],
            env=environment(server),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        job.stdin.write(b"typed")
        job.stdin.flush()
        assert done.wait(PATIENCE)
        job.send_signal(signal.SIGINT)
        assert job.wait(PATIENCE) == 130


def test_an_interrupt_without_a_terminal_cancels_the_job():
    started, gone = threading.Event(), threading.Event()

    def script(ws):
        ws.started()
        started.set()
        ws.until_gone()
        gone.set()

    with connect_server(script) as server:
        job = subprocess.Popen(
            [PE_RUN, "-i", "gcc:14"],
            env=environment(server),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert started.wait(PATIENCE)
        job.send_signal(signal.SIGINT)
        assert job.wait(PATIENCE) == 130
        assert job.stderr.read() == b"pe-run: interrupted by a signal: Interrupt\n"
        assert gone.wait(PATIENCE)


def test_output_files_are_saved(tmp_path):
    def script(ws):
        ws.started()
        ws.event("file", name="f", size=1, mode="0644", text="x")
        ws.result()

    with connect_server(script) as server:
        done = run("-i", "-o", f"{tmp_path}/out", "gcc:14", server=server)
    assert done.returncode == 0, done.stderr
    assert open(f"{tmp_path}/out/f").read() == "x"


def test_a_closed_input_is_an_input_that_ends():
    def script(ws):
        assert ws.message()["type"] == "run"
        ws.started()
        assert ws.input() is None
        ws.result()

    with connect_server(script) as server:
        done = subprocess.run(
            ["sh", "-c", f"exec {PE_RUN} -i gcc:14 <&-"], env=environment(server), timeout=PATIENCE
        )
    assert done.returncode == 0


# ---- options ----


def test_options_that_make_no_sense_together_are_refused():
    for option in ("--stdin=x", "--watch", "--json", "--combined"):
        done = run("-i", option, "--server", "http://127.0.0.1:1", "gcc:14", __file__)
        assert done.returncode == 64, option
        name = option.split("=")[0].encode()
        assert b"pe-run: --interactive and " + name + b" cannot be combined: " in done.stderr


def test_an_interactive_job_may_ask_for_much_more_time():
    times = []

    def script(ws):
        times.append(ws.message()["job"].get("timeout_ms"))
        ws.started()
        ws.result()

    with connect_server(script) as server:
        for options in ([], ["--timeout", "3600"]):
            assert run("-i", *options, "gcc:14", server=server).returncode == 0
    assert times == [None, 3_600_000]
    assert run("--timeout", "3600", "gcc:14", server=server).returncode == 64
    assert run("-i", "--timeout", "86401", "gcc:14", server=server).returncode == 64


def test_a_terminal_for_the_program_needs_one_here():
    for arguments in (["-it"], ["--tty"], ["-i", "-t"]):
        done = run(*arguments, "--server", "http://127.0.0.1:1", "gcc:14")
        assert done.returncode == 64
        assert b"pe-run: --tty needs a terminal as standard input" in done.stderr


def test_a_file_whose_name_json_cannot_hold_is_named(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9"
    write(path, b"x")
    done = run("-i", "--server", "http://127.0.0.1:1", "gcc:14", path)
    assert b"is not UTF-8, so it cannot be sent to an interactive job" in done.stderr
    assert done.returncode == 65


# ---- a terminal ----


COOKED, RAW = ("isig", "icanon", "echo"), ("-isig", "-icanon", "-echo")


class Shell(Terminal):
    """pe-run on a terminal whose session goes on behind it, so that its modes can be looked at."""

    def __init__(self, *arguments, **more):
        command = " ".join([f"'{PE_RUN}'", *arguments, "gcc:14"])
        super().__init__("-c", f'{command}; echo "code $?"; stty -a', program="/bin/bash", **more)

    def modes(self):
        """Whether the terminal makes signals of Ctrl-C and others, collects lines, and echoes."""
        local = termios.tcgetattr(self.fd)[3]
        flags = (termios.ISIG, termios.ICANON, termios.ECHO)
        return tuple(name if local & flag else "-" + name for flag, name in zip(flags, COOKED))

    def pe_run(self):
        """The process."""
        pids = processes.descendants(self.pid)
        return next(pid for pid in pids if processes.command_name(pid) == "pe-run")

    def leave(self):
        """The exit code of pe-run, and the modes of the terminal behind it."""
        assert self.end() == 0
        self.printed, after = self.seen.split(b"code ")
        words = re.split(r"[\s;]+", after.decode())
        return int(words[0]), tuple(word for word in words if word.lstrip("-") in COOKED)


def echo(ws):
    """A program on a terminal: what is typed is printed, "q" ends it."""
    ws.run = ws.message()
    ws.started()
    ws.stdout("ready ")
    while (typed := ws.input()) != b"q":
        ws.event("stdout", base64=base64.b64encode(typed).decode())
    ws.result()


def test_every_typed_byte_goes_to_the_program_and_the_terminal_is_restored():
    jobs = []

    def script(ws):
        echo(ws)
        jobs.append(ws.run)

    with connect_server(script) as server:
        terminal = Shell("-it", server=server, columns=100, TERM="screen-256color")
        terminal.until(rb"ready ")
        assert terminal.modes() == RAW
        for typed in (b"a", b"\r", b"\n", b"\x03", b"\x04", b"\x1a", b"\x1c", b"\xff"):
            os.write(terminal.fd, typed)
            terminal.until(re.escape(typed) + rb"$")
        os.write(terminal.fd, b"q")
        assert terminal.leave() == (0, COOKED)
    assert terminal.printed == b"ready a\r\n\x03\x04\x1a\x1c\xff"
    assert jobs[0]["tty"] == {"rows": 24, "cols": 100, "term": "screen-256color"}


def test_a_terminal_of_a_strange_kind_is_described_without_it():
    jobs = []

    def script(ws):
        echo(ws)
        jobs.append(ws.run)

    with connect_server(script) as server:
        terminal = Terminal("-t", "gcc:14", server=server, TERM="a b")
        terminal.until(rb"ready ")
        os.write(terminal.fd, b"q")
        assert terminal.end() == 0
    assert jobs[0]["tty"] == {"rows": 24, "cols": 80}


def test_a_new_size_of_the_window_is_told():
    sizes = []

    def script(ws):
        ws.message()
        ws.started()
        ws.stdout("ready")
        sizes.append(ws.message())
        ws.result()

    with connect_server(script) as server:
        terminal = Terminal("-it", "gcc:14", server=server)
        terminal.until(rb"ready")
        termios.tcsetwinsize(terminal.fd, (50, 132))
        assert terminal.end() == 0
    assert sizes == [{"type": "resize", "rows": 50, "cols": 132}]


def test_a_second_ctrl_c_within_a_second_ends_pe_run():
    gone, typed = threading.Event(), []

    def script(ws):
        ws.message()
        ws.started()
        ws.stdout("ready")
        typed.append(ws.input())
        ws.stdout("^C")
        ws.until_gone()
        gone.set()

    with connect_server(script) as server:
        terminal = Shell("-it", server=server)
        terminal.until(rb"ready")
        os.write(terminal.fd, b"\x03")
        terminal.until(rb"\^C")
        os.write(terminal.fd, b"\x03")
        assert terminal.leave() == (130, COOKED)
        assert gone.wait(PATIENCE)
    assert typed == [b"\x03"]
    assert terminal.printed.endswith(b"pe-run: interrupted by a signal: Interrupt\r\n")


def test_before_the_program_runs_one_ctrl_c_is_enough():
    gone = threading.Event()

    def script(ws):
        ws.message()
        ws.event("queued", id="0" * 32)
        ws.until_gone()
        gone.set()

    with connect_server(script) as server:
        terminal = Terminal("-it", "gcc:14", server=server)
        terminal.until(rb"waiting \d+\.\d s")
        os.write(terminal.fd, b"\x03")
        assert terminal.end() == 130
        assert gone.wait(PATIENCE)


CAUGHT = {signal.SIGINT, signal.SIGPIPE}  # the first one is that of Ctrl-C, and the second one is ignored
HARMLESS = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# In a sanitized build, ASan would take some of them for a fault of the program.
LEAVE_SIGNALS = "handle_segv=0:handle_sigbus=0:handle_sigfpe=0"
ENDING = sorted(signal.valid_signals() - CAUGHT - HARMLESS - STOPPING - {signal.SIGKILL})


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_ends_pe_run_restores_the_terminal(number):
    gone = threading.Event()

    def script(ws):
        ws.message()
        ws.started()
        ws.stdout("ready")
        ws.until_gone()
        gone.set()

    with connect_server(script) as server:
        terminal = Shell("-it", server=server, ASAN_OPTIONS=LEAVE_SIGNALS)
        terminal.until(rb"ready")
        assert terminal.modes() == RAW
        os.kill(terminal.pe_run(), number)
        assert terminal.leave() == (128 + number, COOKED)
        assert gone.wait(PATIENCE)


def test_a_stopped_pe_run_leaves_the_terminal_to_the_shell_and_takes_it_again():
    with connect_server(echo) as server:
        terminal = Shell("-it", server=server)
        terminal.until(rb"ready ")
        os.kill(terminal.pe_run(), signal.SIGTSTP)
        eventually(lambda: terminal.modes() == COOKED, "the modes of before")
        os.kill(terminal.pe_run(), signal.SIGCONT)
        eventually(lambda: terminal.modes() == RAW, "raw mode again")
        os.write(terminal.fd, b"q")
        assert terminal.leave() == (0, COOKED)


# ---- servers that fail ----


def close_at_once(ws):
    pass


def close_with_reason(ws):
    ws.message()
    ws.close(1011, b"a fault")
    ws.until_gone()


def close_after_start(ws):
    ws.message()
    ws.started()
    ws.stdout("out")


def close_in_a_frame(ws):
    ws.message()
    ws.send_raw(b"\x81\x7e\x01")


def frame_of_no_kind(ws):
    ws.message()
    ws.send_raw(b"\x83\x01x")
    ws.until_gone()


def masked_frame(ws):
    ws.message()
    ws.send_raw(b"\x81\x81\0\0\0\0x")
    ws.until_gone()


def huge_frame(ws):
    ws.message()
    ws.send_raw(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx")
    ws.until_gone()


def binary_message(ws):
    ws.send(b"x", BINARY)
    ws.until_gone()


def no_json(ws):
    ws.send(b"hello", TEXT)
    ws.until_gone()


def no_window(ws):
    ws.event("started")
    ws.until_gone()


def taken_before_it_was_sent(ws):
    ws.started()
    ws.event("taken", bytes=1)
    ws.until_gone()


def a_problem(ws):
    ws.event("problem", **problem_event(422, "No live slot", "none", "live-unavailable"))
    ws.until_gone()


@pytest.mark.parametrize(
    "script, code, reason",
    [
        (close_at_once, 69, b"the server closed it"),
        (close_with_reason, 69, b"the server closed the connection: a fault"),
        (close_after_start, 69, b"the server closed it"),
        (close_in_a_frame, 69, b"the server closed it"),
        (frame_of_no_kind, 69, b"the server broke the WebSocket protocol"),
        (masked_frame, 69, b"the server broke the WebSocket protocol"),
        (huge_frame, 69, b"the server broke the WebSocket protocol"),
        (binary_message, 125, b"a binary message in the place of an event"),
        (no_json, 125, b"not a JSON object with a 'type'"),
        (no_window, 125, b"does not say how much input it takes"),
        (taken_before_it_was_sent, 125, b"took more input than was sent"),
        (a_problem, 65, b"No live slot: none"),
    ],
)
def test_a_server_that_fails_at_any_step_leaves_a_sound_terminal(script, code, reason):
    with connect_server(script) as server:
        terminal = Shell("-it", server=server)
        assert terminal.leave() == (code, COOKED), terminal.seen
    assert reason in terminal.printed


def test_a_server_without_interactive_jobs_says_so():
    with Server(answer()) as server:
        done = run("-i", "gcc:14", server=server)
    assert done.returncode == 65
    assert b"does not offer interactive jobs" in done.stderr


def test_a_refused_upgrade_is_told_as_any_refusal():
    busy = problem(503, "There is no slot", "all are taken", **{"Retry-After": "7"})
    for reply, code, text in (
        (busy, 75, b"There is no slot: all are taken (try again in 7 s)"),
        ((401, {"Content-Type": "text/html"}, b"<p>who?"), 77, b"it wants other credentials"),
        ((200, {"Content-Type": "text/html"}, b"<p>hi"), 125, b"answered the upgrade with HTTP status 200"),
    ):
        with connect_server(reply) as server:
            done = run("-i", "gcc:14", server=server)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr


def test_a_server_that_is_not_there_or_never_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        job = subprocess.Popen(
            [PE_RUN, "-i", "--server", url, "gcc:14"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        client, _ = silent.accept()
        assert client.recv(10) == b"GET /v1/co"
        job.send_signal(signal.SIGTERM)
        assert job.wait(PATIENCE) == 128 + signal.SIGTERM
        client.close()
    done = run("-i", "--server", url, "gcc:14")
    assert (done.returncode, b"no answer from " + url.encode() in done.stderr) == (69, True)


# ---- ways to the server ----


def test_an_http_proxy_is_asked_for_a_tunnel():
    asked = []

    def proxy(listener, port):
        client, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        asked.append(head.split(b"\r\n")[0])
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = in_thread(lambda: pump(server, client))
            pump(client, server)
            back.join(PATIENCE)

    def pump(source, sink):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def script(ws):
        ws.started()
        ws.stdout("out")
        ws.result()

    with connect_server(script) as server, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = int(server.url.rsplit(":", 1)[1])
        in_thread(lambda: proxy(listener, port))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = run("-i", "gcc:14", server=server, http_proxy=address, no_proxy="")
    assert (done.stdout, done.returncode) == (b"out", 0), done.stderr
    assert asked == [f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode()]
