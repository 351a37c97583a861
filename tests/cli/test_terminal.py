"""What a person at a terminal sees while a job is under way."""
import json
import os
import pty
import re
import select
import signal
import threading
import time

from support import PE_RUN, Server, answer, contains, environment, equal, eventually, run, write
from test_local import left_behind, make_home

ERASE = b"\r\x1b[K"


class Terminal:
    """A program with a terminal as its controlling one; stdout may be a pipe."""

    def __init__(self, *arguments, server=None, pipe=False, columns=80, program=PE_RUN, cwd=None, **more):
        reading, writing = os.pipe() if pipe else (None, None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(environment(server, **{"TERM": "xterm", **more}))
            os.system(f"stty cols {columns} rows 24")
            if pipe:
                os.dup2(writing, 1)
            if cwd:
                os.chdir(cwd)
            os.execv(program, [program, *arguments])
        if pipe:
            os.close(writing)
        self.seen, self.piped, self.status = b"", b"", None
        self.reader = threading.Thread(target=self.read_pipe, args=(reading,), daemon=True)
        if pipe:
            self.reader.start()

    def read_pipe(self, fd):
        with os.fdopen(fd, "rb") as pipe:
            self.piped = pipe.read()

    def read(self, seconds=0.1):
        """What was drawn since the last time."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.fd, 65536)
            except OSError:  # the terminal has no other end any more
                return False
        return True

    def until(self, wanted, seconds=15):
        deadline = time.monotonic() + seconds
        while not (found := re.search(wanted, self.seen)):
            if not self.read() or time.monotonic() > deadline:
                raise AssertionError(f"{wanted!r} was not drawn: {self.seen!r}")
        return found

    def end(self):
        """The exit code, once it has ended."""
        while self.status is None:
            if not self.read():
                self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        if self.reader.ident:
            self.reader.join(10)
        return self.status

    def kill(self, number):
        os.kill(self.pid, number)


def held(event, reply=None):
    def hold(handler):
        event.wait(30)
        return reply or answer(stdout=b"done\n")
    return hold


def told(state, **fields):
    body = {"state": state, "position": None, "wait_ms": None, "running_ms": None, **fields}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def test_a_fast_job_draws_nothing(work):
    with Server(answer(stdout=b"hi\n")) as server:
        terminal = Terminal("gcc:14", server=server)
        equal((terminal.end(), terminal.seen), (0, b"hi\r\n"), "all that the terminal got")
        equal(server.asked, [], "questions")


def test_a_job_that_waits_tells_its_place_in_the_queue_and_that_it_runs(work):
    event = threading.Event()
    states = [told("queued", position=3, wait_ms=4200), told("queued", position=2, wait_ms=1500), told("running", running_ms=2100)]
    with Server(held(event), pages=lambda path: states.pop(0) if len(states) > 1 else states[0]) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting 0\.\d s")
        terminal.until(rb"queued \(position 3, about 4 s\)")
        terminal.until(rb"queued \(position 2, about \d s\)")
        terminal.until(rb"running 2\.\d s")
        event.set()
        equal(terminal.end(), 0, "exit code")
        equal(set(server.asked), {"/v1/jobs/" + server.seen["id"]}, "questions")
    equal(re.fullmatch("[0-9a-f]{32}", server.seen["id"]) is not None, True, server.seen["id"])
    contains(terminal.seen, ERASE + b"done\r\n")
    equal(terminal.seen.count(b"\n"), 1, "lines: the progress is one that is drawn anew")


def test_an_upload_and_an_answer_show_how_much_has_gone(work):
    big = write(f"{work}/big", os.urandom(12 << 20))
    event = threading.Event()

    def slow_reader(handler):
        return answer(stdout=b"done\n")

    def slow_body(handler):
        status, headers, body = answer(stdout=b"x" * 3_000_000)
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(body[:2 << 20])
        event.wait(20)
        handler.wfile.write(body[2 << 20:])
        handler.close_connection = True
        raise ConnectionAbortedError
    with Server(slow_reader) as server:
        server.http.throttle = 0.05
        terminal = Terminal("gcc:14", big, server=server)
        terminal.until(rb"uploading \d+\.\d/12\.0 MiB")
        equal(terminal.end(), 0, "exit code")
    with Server(slow_body) as server:
        terminal = Terminal("gcc:14", server=server, pipe=True)
        terminal.until(rb"receiving 2\.\d MiB")
        event.set()
        equal((terminal.end(), len(terminal.piped)), (0, 3_000_000), "output")
    contains(terminal.seen, ERASE)


def test_a_server_that_knows_no_places_is_asked_three_times(work):
    event = threading.Event()
    with Server(held(event)) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting 4\.\d s", 20)
        event.set()
        equal((terminal.end(), len(server.asked)), (0, 3), "exit code, questions")


def test_nothing_is_drawn_where_nobody_looks(work):
    def slow(handler):
        time.sleep(0.8)
        return answer(stdout=b"done\n")
    with Server(slow) as server:
        equal(run("gcc:14", server=server).stderr, b"", "no terminal")
        for arguments, more in (((), {"TERM": "dumb"}), (("--quiet",), {})):
            terminal = Terminal(*arguments, "gcc:14", server=server, **more)
            equal((terminal.end(), terminal.seen), (0, b"done\r\n"), (arguments, more))


def test_stdout_in_a_pipe_has_the_programs_bytes_only(work):
    def slow(handler):
        time.sleep(0.8)
        return answer(stdout=b"done\n", stderr=b"warning\n")
    with Server(slow) as server:
        terminal = Terminal("gcc:14", server=server, pipe=True)
        equal((terminal.end(), terminal.piped), (0, b"done\n"), "pipe")
        contains(terminal.seen, ERASE + b"warning\r\n")


def test_a_line_is_cut_to_the_terminals_width(work):
    event = threading.Event()
    with Server(held(event), pages=lambda path: told("queued", position=123456, wait_ms=7000000)) as server:
        terminal = Terminal("gcc:14", server=server, columns=20)
        terminal.until(rb"queued \(position 1")
        event.set()
        terminal.end()
    drawn = [piece for piece in re.split(rb"\r|\x1b\[K", terminal.seen) if piece]
    equal(max(len(piece) for piece in drawn[:-1]) < 20, True, drawn)


def test_ctrl_c_at_the_terminal_clears_the_line_and_ends(work):
    event = threading.Event()
    with Server(held(event)) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting 0\.\d s")
        os.write(terminal.fd, b"\x03")
        equal(terminal.end(), 130, "exit code")
        event.set()
    contains(terminal.seen, ERASE + b"pe-run: interrupted by a signal: Interrupt")


def test_without_a_server_the_line_tells_what_is_started(work):
    home = make_home(work, answer(stdout=b"hi\n"))
    write(f"{work}/worker-slow")
    terminal = Terminal("busybox:1.35", **home)
    terminal.until(rb"starting pe-worker \d\.\d s")
    equal(terminal.end(), 0, "exit code")
    contains(terminal.seen, ERASE + b"hi\r\n")
    equal(b"waiting for the worker" in terminal.seen, False, "no lines beside the one that is drawn")
    eventually(lambda: left_behind(work) == [], "all has ended")


def test_a_job_in_the_background_does_not_draw(work):
    event = threading.Event()
    with Server(held(event)) as server:
        shell = Terminal("-mc", f"'{PE_RUN}' gcc:14 & sleep 1.5; kill %1; wait; echo over", server=server, program="/bin/bash")
        shell.until(rb"over")
        event.set()
        shell.end()
    equal(b"waiting" in shell.seen, False, shell.seen)


def test_a_terminal_that_goes_away_ends_the_job(work):
    event, gone = threading.Event(), threading.Event()

    def hold(handler):
        handler.connection.settimeout(20)
        gone.set() if handler.connection.recv(1) == b"" else None
        event.set()
        raise ConnectionAbortedError
    with Server(hold) as server:
        terminal = Terminal("gcc:14", server=server)
        terminal.until(rb"waiting 0\.\d s")
        terminal.kill(signal.SIGHUP)
        equal(terminal.end(), 128 + signal.SIGHUP, "exit code")
        equal(gone.wait(10), True, "the connection was closed")
