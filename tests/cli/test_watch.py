# SPDX-License-Identifier: Apache-2.0
"""--watch: a run for every change of the files."""
import os
import signal
import subprocess
import threading
import time

from fixtures.pe_run import PE_RUN, environment, left_behind, make_home, run, write
from fixtures.stub_server import Server, answer
from fixtures.waiting import PATIENCE, eventually


class Watching:
    """pe-run --watch, in a process group of its own, its output in files."""

    def __init__(
        self, tmp_path, *arguments, server=None, program=PE_RUN, stdin=subprocess.DEVNULL, **more
    ):
        self.out, self.err = f"{tmp_path}/.stdout", f"{tmp_path}/.stderr"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [program, "--watch", *arguments],
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=environment(server, **more),
                cwd=tmp_path,
            )

    def stdout(self):
        with open(self.out, "rb") as file:
            return file.read()

    def stderr(self):
        with open(self.err, "rb") as file:
            return file.read()

    def waits(self, runs):
        eventually(
            lambda: self.stderr().count(b"waiting for a change") == runs,
            f"{runs} runs, have {self.stderr()}",
        )

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __del__(self):
        """Also after a test that failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def echo(handler):
    """The first file's content is what the program prints."""
    return answer(stdout=handler.server.seen["parts"][1][2])


def quiet_for(server, seconds=0.6):
    before = server.count
    time.sleep(seconds)
    return server.count == before


def test_a_change_runs_the_job_again_after_a_separator(tmp_path):
    main = write(f"{tmp_path}/main.c", b"one\n")
    with Server(echo) as server:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server)
        watching.waits(1)
        write(main, b"two\n")
        watching.waits(2)
        assert quiet_for(server), "without a change nothing runs"
        out, err = watching.stdout(), watching.stderr()
        assert watching.end() == 130, "exit code"
    assert out == b"one\ntwo\n", "stdout has the programs' bytes only"
    assert b"main.c has changed ----\n" in err
    assert b"pe-run: exit code 0; waiting for a change (Ctrl-C to stop)\n" in err


def test_files_that_an_editor_replaces_are_still_watched(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    with Server(echo) as server:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server)
        watching.waits(1)
        for n in range(2, 5):
            write(f"{tmp_path}/.main.c.swp", b"%d\n" % n)
            os.rename(main, f"{tmp_path}/main.c~")
            time.sleep(0.02)
            os.rename(f"{tmp_path}/.main.c.swp", main)
            watching.waits(n)
        assert watching.stdout() == b"1\n2\n3\n4\n", "result"
        assert watching.end() == 130, "result"


def test_a_removed_file_is_reported_and_awaited(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    with Server(echo) as server:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server)
        watching.waits(1)
        os.unlink(main)
        eventually(lambda: b"main.c: No such file" in watching.stderr(), "the file is missed")
        write(main, b"2\n")
        watching.waits(2)
        assert watching.stdout() == b"1\n2\n", "result"
        assert watching.end() == 130, "result"


def test_directories_are_watched_with_new_files_below_them(tmp_path):
    write(f"{tmp_path}/src/a.c", b"a\n")
    with Server(answer()) as server:
        watching = Watching(tmp_path, "gcc:14", "src", server=server)
        watching.waits(1)
        os.makedirs(f"{tmp_path}/src/deep/er")
        time.sleep(0.4)
        write(f"{tmp_path}/src/deep/er/b.c", b"b\n")
        watching.waits(2)
        assert [part[1] for part in server.seen["parts"][1:]] == [
            b"src/a.c",
            b"src/deep/er/b.c",
        ], "files"
        os.unlink(f"{tmp_path}/src/a.c")
        watching.waits(3)
        assert [part[1] for part in server.seen["parts"][1:]] == [b"src/deep/er/b.c"], "files"
        assert watching.end() == 130, "exit code"


def test_many_changes_at_once_cause_one_run(tmp_path):
    for n in range(20):
        write(f"{tmp_path}/src/{n}.c", b"x")
    write(f"{tmp_path}/beside", b"x")
    with Server(answer()) as server:
        watching = Watching(tmp_path, "gcc:14", "src", "beside", server=server)
        watching.waits(1)
        watching.process.send_signal(signal.SIGSTOP)  # so that it finds all changes at once
        for n in range(20):
            write(f"{tmp_path}/src/{n}.c", b"changed")
        watching.process.send_signal(signal.SIGCONT)
        watching.waits(2)
        assert quiet_for(server), "runs"
        assert server.count == 2, "runs"
        write(f"{tmp_path}/another", b"not named on the command line")
        open(f"{tmp_path}/src/1.c", "rb").close()
        assert quiet_for(server), "runs"
        assert server.count == 2, "runs"
        assert watching.end() == 130, "exit code"


def test_a_change_during_a_run_cancels_it_and_starts_again(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    gone = threading.Event()

    def hold(handler):
        if handler.server.count > 1:
            return echo(handler)
        handler.connection.settimeout(PATIENCE)
        if handler.connection.recv(1) == b"":
            gone.set()
        raise ConnectionAbortedError

    with Server(hold) as server:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server)
        eventually(lambda: server.count == 1, "the first job")
        write(main, b"2\n")
        watching.waits(1)
        assert gone.wait(PATIENCE), "the first job's connection was closed"
        assert b"main.c has changed; starting again" in watching.stderr()
        assert watching.stdout() == b"2\n", "result"
        assert watching.end() == 130, "result"


def test_ctrl_c_during_a_run_cancels_its_job(tmp_path):
    write(f"{tmp_path}/main.c", b"1\n")
    gone = threading.Event()

    def hold(handler):
        handler.connection.settimeout(PATIENCE)
        if handler.connection.recv(1) == b"":
            gone.set()
        raise ConnectionAbortedError

    with Server(hold) as server:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server)
        eventually(lambda: server.count == 1, "the first job")
        assert watching.end() == 130, "exit code, connection closed"
        assert gone.wait(PATIENCE), "exit code, connection closed"


def test_an_unreachable_server_does_not_end_the_watch(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    watching = Watching(tmp_path, "--server", "http://127.0.0.1:9", "gcc:14", "main.c")
    watching.waits(1)
    assert b"no answer from" in watching.stderr()
    assert b"exit code 69" in watching.stderr()
    write(main, b"2\n")
    watching.waits(2)
    assert watching.end(signal.SIGTERM) == 143, "exit code"


def test_a_watch_that_could_never_start_or_never_stop_is_refused(tmp_path):
    write(f"{tmp_path}/src/a.c")
    with Server(answer()) as server:
        for arguments, why in (
            (("gcc:14",), b"needs at least one FILE"),
            (("--stdin", "-", "gcc:14"), b"needs at least one FILE"),
            (("-o", "src/out", "gcc:14", "src"), b"is watched"),
            (("-o", ".", "gcc:14", "src/.."), b"is watched"),
            (("gcc:14", "none.c"), b"No such file"),
        ):
            done = run("--watch", *arguments, server=server, cwd=tmp_path)
            assert done.returncode == 64, arguments
            assert why in done.stderr
        assert server.count == 0, "jobs"


def test_output_of_the_watch_itself_is_not_a_change(tmp_path):
    write(f"{tmp_path}/a.c", b"1\n")
    with Server(echo) as server, open(f"{tmp_path}/log", "wb") as log:
        process = subprocess.Popen(
            [PE_RUN, "--watch", "gcc:14", "."],
            stdout=log,
            stderr=log,
            env=environment(server),
            cwd=tmp_path,
        )
        eventually(lambda: server.count == 1, "the first run")
        assert quiet_for(server, 1), "its own log starts no run"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130, "exit code"


def test_standard_input_is_read_once_and_sent_each_time(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    with Server(answer()) as server:
        process = subprocess.Popen(
            [PE_RUN, "--watch", "--stdin", "-", "gcc:14", "main.c"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(server),
            cwd=tmp_path,
        )
        process.stdin.write(b"typed")
        process.stdin.close()
        eventually(lambda: server.count == 1, "the first run")
        time.sleep(0.3)
        write(main, b"2\n")
        eventually(lambda: server.count == 2, "the second run")
        assert server.seen["parts"][2] == ("file", b".stdin", b"typed"), "standard input"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130, "exit code"
        process.stderr.close()


def test_data_on_standard_input_that_nobody_reads_is_named_after_the_first_run_only(tmp_path):
    main = write(f"{tmp_path}/main.c", b"1\n")
    data = write(f"{tmp_path}/data", b"data")
    with Server(answer()) as server, open(data, "rb") as opened:
        watching = Watching(tmp_path, "gcc:14", "main.c", server=server, stdin=opened)
        watching.waits(1)
        write(main, b"2\n")
        watching.waits(2)
        assert watching.end() == 130
    note = b"the program did not get what is on standard input; --stdin - passes it on\n"
    assert watching.stderr().count(note) == 1


def test_without_a_server_one_service_serves_every_run(tmp_path):
    home = make_home(tmp_path, answer(stdout=b"hi\n"))
    main = write(f"{tmp_path}/main.c", b"1\n")
    program = home.pop("program")
    watching = Watching(tmp_path, "-v", "busybox:1.35", "main.c", program=program, **home)
    watching.waits(1)
    worker = left_behind(tmp_path)
    assert b"--no-warm-up" not in watching.stderr(), "the second job needs what the warm-up prepares"
    write(main, b"2\n")
    watching.waits(2)
    assert set(worker) <= set(left_behind(tmp_path)), "the same processes"
    assert watching.stderr().count(b"starting a balancer") == 1, "starts"
    assert watching.end() == 130, "exit code"
    eventually(lambda: left_behind(tmp_path) == [], "all has ended")
