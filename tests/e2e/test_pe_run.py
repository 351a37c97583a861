# SPDX-License-Identifier: Apache-2.0
"""pe-run against the real service, and with a service of its own."""
import concurrent.futures
import json
import os
import re
import shlex
import signal
import subprocess

import pytest

from fixtures import processes
from fixtures.paths import TOP, program
from fixtures.waiting import PATIENCE


def environment(service, runtime):
    """Variables of a pe-run that knows nothing of this machine's user and keeps its files in
    `runtime`."""
    env = {key: value for key, value in os.environ.items() if key != "PE_SERVER"}
    env.update(XDG_CONFIG_HOME="/nonexistent", XDG_RUNTIME_DIR=str(runtime))
    if service:
        env["PE_SERVER"] = service.url
    return env


@pytest.fixture
def pe_run(tmp_path):
    """A function that runs pe-run for a service, or without one."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)

    def run(service, *args, stdin=b"", timeout="60"):
        argv = [program("pe-run"), *(["--timeout", timeout] if args[0] not in ("images", "mcp") else []), *args]
        return subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            timeout=10 * PATIENCE,
            env=environment(service, runtime),
        )

    run.runtime = runtime
    return run


@pytest.mark.each_engine
def test_pe_run_saves_output_with_the_bit_for_execution_times_and_empty_folders(pe_run, service, tmp_path):
    script = (
        "cd /output && mkdir -p a/empty b && printf '#!/bin/sh\\necho it runs\\n' >b/run.sh && chmod +x b/run.sh"
        " && echo x >plain && touch -d @1000000000 b/run.sh plain && touch -d @1000000001 a/empty a b"
    )
    done = pe_run(service, "--output", str(tmp_path / "out"), "busybox:1.35", "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, b"")
    out = tmp_path / "out"
    assert subprocess.run([out / "b/run.sh"], capture_output=True).stdout == b"it runs\n"
    assert not os.access(out / "plain", os.X_OK) and list((out / "a/empty").iterdir()) == []
    times = {name: int((out / name).stat().st_mtime) for name in ("b/run.sh", "plain", "a/empty", "a", "b")}
    late, early = 1000000001, 1000000000
    assert times == {"b/run.sh": early, "plain": early, "a/empty": late, "a": late, "b": late}


def test_pe_run_passes_on_stdin_stdout_stderr_and_the_exit_code(pe_run, service):
    done = pe_run(
        service,
        "--stdin",
        "-",
        "busybox:1.35",
        "--",
        "sh",
        "-c",
        "cat; echo err >&2; exit 9",
        stdin=b"\0in\xff",
    )
    assert done.stdout == b"\0in\xff", done.stderr
    assert done.returncode == 9, done.stderr
    assert b"err\n" in done.stderr, done.stderr


def test_pe_run_sends_files_and_directories_and_writes_output_files(pe_run, service, tmp_path):
    os.makedirs(f"{tmp_path}/tree/sub")
    for name in ("one.txt", "tree/two.txt", "tree/sub/three.txt"):
        with open(f"{tmp_path}/{name}", "w", encoding="utf-8") as file:
            file.write(name)
    done = pe_run(
        service,
        "--output",
        f"{tmp_path}/out",
        "busybox:1.35",
        f"{tmp_path}/one.txt",
        f"{tmp_path}/tree",
        "--",
        "sh",
        "-c",
        "find . -type f | sort; mkdir /output/d; cp one.txt /output/d/copy",
    )
    assert done.stdout == b"./one.txt\n./tree/sub/three.txt\n./tree/two.txt\n", done.stderr
    with open(f"{tmp_path}/out/d/copy", encoding="utf-8") as file:
        assert file.read() == "one.txt"


def test_pe_runs_exit_code_tells_timeout_signal_memory_and_failure_of_the_service_apart(
    pe_run, service, small_service
):
    for code in (0, 1, 64, 125, 255):
        assert (
            pe_run(service, "busybox:1.35", "--", "sh", "-c", f"exit {code}").returncode == code
        ), "the program's own"
    assert (
        pe_run(service, "busybox:1.35", "--", "no-such-program").returncode == 127
    ), "command not found"
    memory = pe_run(
        small_service, "busybox:1.35", "--", "sh", "-c", "x=aaaaaaaa; while :; do x=$x$x; done"
    )
    assert memory.returncode == 137, memory.stderr
    assert b"exceeded its memory limit" in memory.stderr, memory.stderr
    assert (
        pe_run(service, "busybox:1.35", "--", "sleep", "20", timeout="1").returncode == 124
    ), "timeout"
    assert (
        pe_run(service, "busybox:1.35", "--", "sh", "-c", "kill -SEGV $$").returncode == 128 + 11
    ), "signal"
    unknown = pe_run(service, "busybx:1.35", "--", "true")
    assert unknown.returncode == 66, "unknown image"
    assert b"busybox:1.35" in unknown.stderr, unknown.stderr
    refused = pe_run(service, "busybox:1.35")
    assert refused.returncode == 65, refused.stderr  # it has no default command
    assert pe_run(service, "busybox:1.35", "/nonexistent").returncode == 64, "usage"
    assert (
        pe_run(None, "--server", "http://127.0.0.1:1", "busybox:1.35", "--", "true").returncode
        == 69
    ), "no server"
    service.assert_nothing_is_left()


def test_pe_run_without_a_server_starts_its_own_runs_the_example_and_leaves_nothing(
    pe_run,
):
    before = processes.descendants(os.getpid())
    done = pe_run(None, "gcc:14", os.path.join(TOP, "examples", "hello.c"))
    assert (done.stdout[:15], done.returncode) == (b"Hello from gcc ", 0), done.stderr
    assert b"no server given" in done.stderr
    own = processes.descendants(os.getpid()) - before
    own -= {pid for other in before for pid in processes.descendants(other)}
    processes.wait_until_gone(own, "processes of pe-run")
    assert os.listdir(pe_run.runtime) == []


def test_an_agent_runs_a_program_without_a_server(pe_run):
    arguments = {"image": "busybox:1.35", "cmd": "cat; echo $0 > /output/name", "stdin": "to cat\n"}
    params = {"name": "run", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    done = pe_run(None, "mcp", stdin=json.dumps(message).encode())
    assert done.returncode == 0, done.stderr
    text, name = json.loads(done.stdout)["result"]["content"]
    assert "Exit code 0" in text["text"] and "to cat\n" in text["text"]
    assert name["resource"]["text"] == "sh\n"
    assert os.listdir(pe_run.runtime) == []


def test_pe_run_exits_with_75_when_the_service_has_no_worker(pe_run, start_service):
    done = pe_run(start_service(slots=0), "busybox:1.35", "--", "true")
    assert done.returncode == 75, done.stderr
    assert b"try again in" in done.stderr, done.stderr


def on_terminal(service, *args):
    """What pe-run draws and prints on a terminal of its own."""
    command = " ".join(map(shlex.quote, (program("pe-run"), "--server", service.url, *args)))
    return subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10 * PATIENCE,
        env={**os.environ, "TERM": "xterm"},
        check=False,
    ).stdout


def test_on_a_terminal_pe_run_shows_the_queue_position_and_then_that_the_program_runs(service):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        others = [pool.submit(service.run, "sleep 3") for _ in range(6)]
        service.wait_until(lambda health: health["queued"] >= 1, "a queue")
        shown = on_terminal(
            service, "--no-cache", "busybox:1.35", "--", "sh", "-c", "sleep 3; echo over"
        )
        for other in others:
            assert other.result().status == "exited"
    assert re.search(rb"queued \(position \d+, about \d+ s\)", shown), shown
    assert re.search(rb"running \d+\.\d s", shown), shown
    assert shown.endswith(b"\r\x1b[Kover\r\n"), shown


def test_pe_run_watch_runs_a_changed_file_again_and_an_interrupted_run_leaves_nothing(
    service, tmp_path
):
    path = f"{tmp_path}/one.sh"
    with open(path, "w", encoding="utf-8") as file:
        file.write("echo first\n")
    process = subprocess.Popen(
        [
            program("pe-run"),
            "--server",
            service.url,
            "--timeout",
            "60",
            "--watch",
            "busybox:1.35",
            path,
            "--",
            "sh",
            "one.sh",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"first\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write("sleep 20; echo second\n")
    service.wait_until_running()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (130, b"")
    service.wait_until(lambda health: health["running"] == 0, "the end of the job")
    service.assert_nothing_is_left()


def test_pe_run_images_lists_what_the_workers_have(pe_run, service):
    done = pe_run(service, "images", "--quiet")
    assert done.returncode == 0, done.stderr
    assert b"busybox:1.35" in done.stdout.split(), done.stderr
