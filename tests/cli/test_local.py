# SPDX-License-Identifier: Apache-2.0
"""Without a server: stand-ins for pe-lb and pe-worker, started and ended by pe-run."""
import glob
import os
import signal
import subprocess
import time

from fixtures import processes
from fixtures.pe_run import environment, left_behind, make_home, run, write
from fixtures.stub_server import answer, problem
from fixtures.waiting import PATIENCE, eventually


def test_without_a_server_it_starts_its_own(tmp_path):
    home = make_home(tmp_path, answer(stdout=b"hi", exit_code=7))
    done = run("busybox:1.35", **home)
    assert done.stdout == b"hi", "result"
    assert done.returncode == 7, "result"
    lines = [line for line in done.stderr.splitlines() if not line.startswith(b"pe-run: waiting for the worker")]
    assert lines == [b"pe-run: no server given; starting a balancer and a worker for this run"], "stderr"
    assert left_behind(tmp_path) == [], "left behind"
    verbose = run("-v", "busybox", **home)
    assert b"worker speaks --server unix:" in verbose.stderr
    assert b"--slots 1 --warm busybox:latest --die-with-parent --no-warm-up" in verbose.stderr
    assert b"--handover-ms 0" in verbose.stderr, "nobody takes over the balancer's connections"
    assert b"--isolation" not in verbose.stderr


def test_the_worker_of_a_local_service_gets_the_isolation_that_the_job_demands(tmp_path):
    home = make_home(tmp_path, answer(stdout=b"hi"))
    done = run("-v", "--isolation", "hardware,kernel", "busybox", **home)
    assert done.stdout == b"hi", "result"
    assert b"--die-with-parent --no-warm-up --isolation hardware,kernel" in done.stderr


def test_after_an_emulated_run_it_says_how_to_make_this_machine_faster(tmp_path):
    hint = b"`make uml-kernel` in the source tree makes this machine faster"
    for options, isolation, expected in (
        ([], "emulation", True),
        ([], "kernel", False),
        (["--quiet"], "emulation", False),
        (["--isolation", "emulation"], "emulation", False),
    ):
        folder = tmp_path / f"{isolation}{len(options)}{expected}"
        folder.mkdir()
        done = run(*options, "busybox:1.35", **make_home(folder, answer(isolation=isolation)))
        assert (hint in done.stderr) == expected, (options, isolation, done.stderr)


def test_the_output_of_programs_that_fail_to_start_is_shown(tmp_path):
    home = make_home(tmp_path, answer())
    write(f"{tmp_path}/worker-fails")
    done = run("busybox:1.35", **home)
    assert done.returncode == 125, "exit code"
    assert b"no image store" in done.stderr
    assert b"pe-run: pe-worker exited with code 1" in done.stderr
    write(f"{tmp_path}/lb-fails")
    done = run("busybox:1.35", **home)
    assert b"balancer speaks" in done.stderr
    assert b"pe-run: pe-lb exited with code 3" in done.stderr
    os.unlink(f"{tmp_path}/pe-lb")
    assert (
        b"cannot start pe-lb, which is needed to run without a server"
        in run("busybox:1.35", **home).stderr
    )
    assert left_behind(tmp_path) == [], "left behind"


def test_an_unknown_image_is_reported_with_the_way_to_make_one(tmp_path):
    home = make_home(tmp_path, problem(404, "There is no such thing", "no image", "unknown-image"))
    done = run("busybox:1.35", **home)
    assert done.returncode == 66, "exit code"
    assert b"`pe-image build` and, in a source tree, `make images`" in done.stderr
    assert b"last lines of the log" not in done.stderr, "it says nothing more"


def test_logs_are_shown_for_a_fault_of_the_service_but_not_for_a_job_that_is_refused(tmp_path):
    for status, code, kind, has_logs in ((422, 65, "invalid-job", False), (500, 125, "internal", True)):
        place = tmp_path / kind
        place.mkdir()
        done = run("busybox:1.35", **make_home(place, problem(status, "It failed", "why", kind)))
        assert done.returncode == code, kind
        assert b"It failed: why" in done.stderr, done.stderr
        assert (b"last lines of the log" in done.stderr) == has_logs, done.stderr


def test_a_worker_that_will_not_end_is_killed(tmp_path):
    home = make_home(tmp_path, answer())
    write(f"{tmp_path}/worker-stays")
    started = time.monotonic()
    run("busybox:1.35", **home)
    assert time.monotonic() - started > 4, "it had time to end by itself"
    assert left_behind(tmp_path) == [], "left behind"


def start_held(tmp_path):
    """pe-run with a balancer that never answers the job."""
    home = make_home(tmp_path, answer())
    write(f"{tmp_path}/reply", b"__import__('time').sleep(600)")
    env = environment(XDG_RUNTIME_DIR=home["XDG_RUNTIME_DIR"])
    process = subprocess.Popen([home["program"], "busybox:1.35"], env=env, stderr=subprocess.PIPE)
    eventually(lambda: os.path.exists(f"{tmp_path}/job-here"), "the job arrives at the balancer")
    return process, home


def test_signals_end_what_was_started(tmp_path):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        place = f"{tmp_path}/{number}"
        os.makedirs(place)
        process, _ = start_held(place)
        process.send_signal(number)
        process.communicate(timeout=4 * PATIENCE)
        assert process.returncode == code, "exit code"
        assert left_behind(place) == [], "left behind"


def test_a_worker_that_dies_ends_the_wait(tmp_path):
    process, _ = start_held(tmp_path)
    (worker,) = [
        pid
        for pid in processes.descendants(process.pid)
        if "/pe-worker" in processes.command_line(pid)
    ]
    processes.kill_hard(worker)
    _, stderr = process.communicate(timeout=4 * PATIENCE)
    assert process.returncode == 125, "exit code"
    assert b"pe-worker was killed: Killed" in stderr
    assert left_behind(tmp_path) == [], "left behind"


def test_files_of_a_killed_run_are_removed_by_the_next(tmp_path):
    process, home = start_held(tmp_path)
    process.kill()
    process.communicate(timeout=4 * PATIENCE)
    eventually(lambda: len(left_behind(tmp_path)) == 1, "a directory is left, but no process")
    write(f"{tmp_path}/reply", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    assert run("busybox:1.35", **home).returncode == 0, "exit code"
    assert left_behind(tmp_path) == [], "left behind"


def test_two_runs_at_once_do_not_remove_each_others_files(tmp_path):
    first, home = start_held(tmp_path)
    write(f"{tmp_path}/other", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    os.rename(f"{tmp_path}/other", f"{tmp_path}/reply")
    assert run("busybox:1.35", **home).returncode == 0, "exit code"
    assert len(glob.glob(f"{tmp_path}/runtime/*/lb.sock")) == 1, "the first run's socket"
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=4 * PATIENCE)
    assert left_behind(tmp_path) == [], "left behind"
