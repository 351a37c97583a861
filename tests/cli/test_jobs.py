# SPDX-License-Identifier: Apache-2.0
"""Jobs: what is sent, what is shown, what is refused."""
import json
import os
import signal
import socket
import subprocess
import threading

from fixtures.http_client import BOUNDARY
from fixtures.pe_run import PE_RUN, environment, run, write
from fixtures.stub_server import RESULT, Server, answer, form_with_attributes, multipart, problem
from fixtures.waiting import PATIENCE, eventually

# ---- results ----


def test_output_is_the_programs_own_bytes(tmp_path):
    with Server(answer(stdout=b"a\0\xff\r\n--x\n", stderr=b"warn", exit_code=3)) as server:
        done = run("gcc:14", server=server)
    assert done.stdout == b"a\0\xff\r\n--x\n", "result"
    assert done.stderr == b"warn", "result"
    assert done.returncode == 3, "result"


def test_exit_codes_follow_the_status(tmp_path):
    cases = [
        ({"status": "timeout", "exit_code": None, "signal": 9}, 124),
        ({"status": "signaled", "exit_code": None, "signal": 11}, 139),
        ({"status": "oom", "exit_code": None, "signal": 9}, 137),
        ({"status": "output_limit", "exit_code": 5, "outputs_dropped": 2}, 5),
        ({"status": "stream_limit", "exit_code": None, "stdout_truncated": True}, 153),
        ({"status": "vm_error", "exit_code": None, "reason": "no init"}, 125),
    ]
    for result, code in cases:
        with Server(answer(**result)) as server:
            done = run("gcc:14", server=server)
        assert done.returncode == code, result["status"]
        assert b"pe-run: " in done.stderr


def test_truncated_output_is_reported(tmp_path):
    with Server(answer(stdout=b"x", stdout_truncated=True, stderr_truncated=True)) as server:
        done = run("gcc:14", server=server)
    assert done.stdout == b"x", "stdout"
    assert done.stderr.count(b"pe-run: output truncated") == 2, "notices"


def test_outputs_that_were_not_returned_are_named(tmp_path):
    dropped = [{"name": "a\x1bb", "type": "symlink"}, {"name": "d/f", "type": "fifo"}]
    with Server(answer(outputs_dropped=2, dropped=dropped)) as server:
        text = run("gcc:14", server=server).stderr
    assert text.endswith(b"were not returned: a?b (symbolic link), d/f (FIFO)\n")
    with Server(answer(outputs_dropped=3, dropped=dropped)) as server:
        assert run("gcc:14", server=server).stderr.endswith(b"d/f (FIFO), and others\n")
    with Server(answer(outputs_dropped=3)) as server:
        assert run("gcc:14", server=server).stderr.endswith(b"3 output files were not returned\n")


def test_both_streams_are_printed_in_the_order_of_their_writes_on_request(tmp_path):
    with Server(answer(stdout=b"oo", stderr=b"e", combined=b"oeo\xff")) as server:
        done = run("--combined", "gcc:14", server=server)
        job = json.loads(server.seen["parts"][0][2])
    assert (done.stdout, done.stderr) == (b"oeo\xff", b"")
    assert job["combined"] is True


def test_json_is_printed_unchanged(tmp_path):
    body = json.dumps({**RESULT, "exit_code": 4, "stdout": "hi", "files": []}).encode() + b"\n"
    with Server((200, {"Content-Type": "application/json"}, body)) as server:
        done = run("--json", "gcc:14", server=server)
        assert server.seen["accept"] == "application/json", "Accept"
    assert done.stdout == body, "result"
    assert done.returncode == 4, "result"


def test_json_may_have_nul_and_escapes_that_make_it_six_times_as_large_as_the_output(tmp_path):
    for output in "a\0b", "\x1b" * (5 << 20):
        body = json.dumps({**RESULT, "stdout": output, "files": []}).encode() + b"\n"
        with Server((200, {"Content-Type": "application/json"}, body)) as server:
            done = run("--json", "gcc:14", server=server)
        assert done.returncode == 0, done.stderr
        assert done.stdout == body


def test_verbose_prints_the_timing(tmp_path):
    with Server(answer(cached=True)) as server:
        assert b"from the cache" in run("-v", "gcc:14", server=server).stderr


def test_verbose_says_what_isolated_the_program_if_the_server_says_it(tmp_path):
    with Server(answer(isolation="kernel")) as server:
        assert b"; isolation kernel; queue" in run("-v", "gcc:14", server=server).stderr
    for unknown in ({}, {"isolation": None}, {"isolation": "a kind of the future"}):
        with Server(answer(**unknown)) as server:
            assert b"isolation" not in run("-v", "gcc:14", server=server).stderr


# ---- requests ----


def test_the_server_receives_the_job_and_its_files(tmp_path):
    main = write(f"{tmp_path}/main.c", b"int main;")
    write(f"{tmp_path}/src/b/deep.h", b"deep")
    write(f"{tmp_path}/src/a.h", b"")
    os.symlink("/etc/passwd", f"{tmp_path}/src/leak")
    with Server(answer()) as server:
        done = run(
            "--env",
            "A=1",
            "--env",
            "B=x=y",
            "--timeout",
            "2.5",
            "--no-cache",
            "--on-output-limit",
            "stop",
            "--limit",
            "processes=5",
            "--limit",
            "stack=262144",
            "--limit",
            "stdout=16384",
            "--limit",
            "stderr=1",
            "gcc:14",
            main,
            f"{tmp_path}/src/",
            "--",
            "sh",
            "-c",
            "--",
            server=server,
        )
        parts = server.seen["parts"]
    assert json.loads(parts[0][2]) == {
        "image": "gcc:14",
        "env": {"A": "1", "B": "x=y"},
        "timeout_ms": 2500,
        "cache": False,
        "on_output_limit": "stop",
        "process_limit": 5,
        "stack_limit_kib": 262144,
        "stdout_max": 16777216,
        "stderr_max": 1024,
        "cmd": ["sh", "-c", "--"],
    }, "job"
    assert parts[1:] == [
        ("file", b"main.c", b"int main;"),
        ("file", b"src/a.h", b""),
        ("file", b"src/b/deep.h", b"deep"),
    ], "files"
    assert b"leak is a symbolic link and was not sent" in done.stderr


def test_the_server_receives_the_isolation_that_is_demanded(tmp_path):
    with Server(answer()) as server:
        run("--isolation", "kernel,hardware", "gcc:14", server=server)
        assert json.loads(server.seen["parts"][0][2])["isolation"] == ["hardware", "kernel"]
        for wrong in ("", "vm", "kernel,", "kernel,kernel"):
            done = run("--isolation", wrong, "gcc:14", server=server)
            assert done.returncode == 64, wrong
            assert b"pe-run: --isolation: " in done.stderr, wrong


def test_odd_file_names_are_sent_unchanged(tmp_path):
    name = b'a "b" c%41;\xc3\xa9\\.c'
    path = write(os.fsdecode(os.fsencode(tmp_path) + b"/" + name), b"x")
    with Server(answer()) as server:
        run("gcc:14", path, server=server)
        assert server.seen["parts"][1][1] == name.replace(b'"', b"%22"), "name"


def test_a_dot_sends_the_content_of_the_folder(tmp_path):
    write(f"{tmp_path}/one.c", b"1")
    with Server(answer()) as server:
        run("gcc:14", f"{tmp_path}/.", server=server)
        assert [part[1] for part in server.seen["parts"][1:]] == [b"one.c"], "names"


def test_standard_input_is_sent_as_a_file_with_an_unused_name(tmp_path):
    clash = write(f"{tmp_path}/.stdin", b"other")
    with Server(answer()) as server:
        run("--stdin", "-", "gcc:14", clash, server=server, stdin=b"hello")
        parts = server.seen["parts"]
    assert json.loads(parts[0][2])["stdin"] == ".stdin-2", "stdin"
    assert parts[2] == ("file", b".stdin-2", b"hello"), "part"


def test_a_file_that_is_also_standard_input_is_sent_once(tmp_path):
    data = write(f"{tmp_path}/data.txt", b"d")
    with Server(answer()) as server:
        run("--stdin", data, "gcc:14", data, server=server)
        assert len(server.seen["parts"]) == 2, "parts"
        run("--stdin", data, "gcc:14", server=server)
        assert json.loads(server.seen["parts"][0][2])["stdin"] == "data.txt", "stdin"
        assert server.seen["parts"][1] == ("file", b"data.txt", b"d"), "part"


def test_two_files_with_one_name_are_refused(tmp_path):
    with Server(answer()) as server:
        done = run("gcc:14", write(f"{tmp_path}/x/a.c"), write(f"{tmp_path}/y/a.c"), server=server)
        assert server.seen is None, "request"
    assert done.returncode == 64, "exit code"
    assert b"would both be called 'a.c'" in done.stderr


def test_wrong_usage_is_reported_before_anything_is_sent(tmp_path):
    big = f"{tmp_path}/big"
    with open(big, "wb") as file:
        file.truncate(33 << 20)
    cases = [
        ((), b"expected an image"),
        (("--bogus", "gcc:14"), b"unknown option '--bogus'"),
        (("busybox:1.35", "ls", "-l"), b"unknown option '-l'; a command needs -- before it; see pe-run --help"),
        (("gcc:14", "/nonexistent.c"), b"/nonexistent.c: No such file or directory\n"),
        (("gcc:14", "echo", "hi"), b"cannot read echo (a command needs -- before it): No such file"),
        (("gcc:14", "--timeout", "0"), b"--timeout takes seconds"),
        (("gcc:14", "--timeout", "61"), b"--timeout takes seconds"),
        (("gcc:14", "--limit", "processes=x"), b"--limit takes processes=N, stack=KIB"),
        (("gcc:14", "--limit", "files=1"), b"--limit takes processes=N, stack=KIB"),
        (("gcc:14", "--limit", "processes=0"), b"'process_limit' must be from 1 to 512"),
        (("gcc:14", "--limit", "stack=63"), b"'stack_limit_kib' must be from 64 to"),
        (("gcc:14", "--limit", "stdout=16385"), b"'stdout_max' must be from 1 to"),
        (("gcc:14", "--env", "novalue"), b"--env takes KEY=VALUE"),
        (("gcc:14", "--"), b"expected a command after --"),
        (("Bad Image",), b"field 'image'"),
        (("gcc:14", big), b"at most 32 MiB"),
        (("gcc:14", "/dev/null"), b"is neither a regular file nor a directory"),
        (("--server", "ftp://x", "gcc:14"), b"is not the URL of a server"),
        (("--json", "--output", "x", "gcc:14"), b"--json already includes the output files"),
    ]
    with Server(answer()) as server:
        for arguments, message in cases:
            done = run(*arguments, server=server)
            assert done.returncode == 64, str(arguments)
            assert done.stdout == b"", str(arguments)
            assert message in done.stderr
        assert server.seen is None, "request"


# ---- output files ----


def test_output_files_are_written_below_the_directory(tmp_path):
    with Server(answer(files=[(b"a.txt", b"A"), (b"d/e/f.bin", b"\0\r\n")])) as server:
        done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
        again = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
    assert done.returncode == 0, "exit codes"
    assert again.returncode == 0, "exit codes"
    assert open(f"{tmp_path}/out/a.txt", "rb").read() == b"A", "a.txt"
    assert open(f"{tmp_path}/out/d/e/f.bin", "rb").read() == b"\0\r\n", "f.bin"


def test_output_files_keep_their_bit_for_execution_and_times_and_folders_are_made(tmp_path):
    files = [(b"run.sh", b"#!/bin/sh\necho ran\n"), (b"d/data", b"x"), (b"new", b"")]
    attributes = [{"mode": "0755", "mtime": 1000000000}, {"mode": "0600", "mtime": 4294967295}, {"mode": "0644"}]
    folders = [{"mode": "0755", "mtime": 1000000001}, {"mode": "0700", "mtime": 1000000002}]
    reply = form_with_attributes(files, attributes, [b"d", b"d/empty"], folders)
    with Server(reply) as server:
        for _ in range(2):  # the second time, everything is there already
            done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
            assert done.returncode == 0, done.stderr
    found = {name: os.stat(f"{tmp_path}/out/{name}") for name in ("run.sh", "d/data", "d", "d/empty", "new")}
    times = {name: int(info.st_mtime) for name, info in found.items() if name != "new"}
    assert times == {"run.sh": 1000000000, "d/data": 4294967295, "d": 1000000001, "d/empty": 1000000002}
    assert subprocess.run([f"{tmp_path}/out/run.sh"], capture_output=True).stdout == b"ran\n"
    assert not found["d/data"].st_mode & 0o111 and found["d/empty"].st_mode & 0o100


def test_attributes_of_a_hostile_server_do_no_harm(tmp_path):
    for files in ([{"mode": "6777", "mtime": -1}], [{"mode": 7, "mtime": "x"}], [7], {}, [{}] * 9):
        with Server(form_with_attributes([(b"f", b"x")], files, [], files)) as server:
            done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
        assert done.returncode == 0, done.stderr
        assert os.stat(f"{tmp_path}/out/f").st_mode & 0o7000 == 0
    with Server(form_with_attributes([], [], [b"../evil"], [])) as server:
        assert run("--output", f"{tmp_path}/out", "gcc:14", server=server).returncode == 125
    assert os.listdir(tmp_path) == ["out"]


def test_output_files_are_mentioned(tmp_path):
    with Server(answer(files=[(b"a.txt", b"A")])) as server:
        assert b"1 files to /output; use --output DIR" in run("gcc:14", server=server).stderr


def test_hostile_file_names_write_nothing(tmp_path):
    for name in (
        b"../evil",
        b"/tmp/pe-run-evil",
        b"a/../../evil",
        b"",
        b"a//b",
        b"./x",
        b"n" * 300,
    ):
        with Server(answer(stdout=b"out", files=[(b"good", b"g"), (name, b"evil")])) as server:
            done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
        assert done.returncode == 125, repr(name)
        assert done.stdout == b"", repr(name)
        assert b"the server's reply is broken: file name" in done.stderr
        assert os.listdir(tmp_path) == [], "files"
    assert not os.path.exists("/tmp/pe-run-evil"), "file outside"


def test_symbolic_links_in_the_output_directory_are_not_followed(tmp_path):
    os.makedirs(f"{tmp_path}/out")
    os.makedirs(f"{tmp_path}/elsewhere")
    write(f"{tmp_path}/elsewhere/kept", b"kept")
    os.symlink("../elsewhere", f"{tmp_path}/out/dir")
    os.symlink("../elsewhere/kept", f"{tmp_path}/out/file")
    with Server(answer(files=[(b"file", b"new")])) as server:
        assert (
            run("--output", f"{tmp_path}/out", "gcc:14", server=server).returncode == 0
        ), "replacing a link"
    assert not os.path.islink(f"{tmp_path}/out/file"), "link"
    with Server(answer(files=[(b"dir/kept", b"new")])) as server:
        done = run("--output", f"{tmp_path}/out", "gcc:14", server=server)
    assert done.returncode == 125, "exit code"
    assert b"cannot save output file 'dir/kept'" in done.stderr
    assert open(f"{tmp_path}/elsewhere/kept", "rb").read() == b"kept", "file outside"


# ---- answers that are none ----


def test_a_problem_is_explained(tmp_path):
    with Server(
        problem(
            404, "There is no such thing", "no image 'gc:14'; did you mean gcc:14?", "unknown-image"
        )
    ) as server:
        done = run("gc:14", server=server)
    assert done.returncode == 66, "result"
    assert done.stdout == b"", "result"
    assert (
        done.stderr == b"pe-run: There is no such thing: no image 'gc:14'; did you mean gcc:14?\n"
    ), "stderr"
    with Server(problem(503, "No capacity", "later", **{"Retry-After": "7"})) as server:
        assert b"No capacity: later (try again in 7 s)" in run("gcc:14", server=server).stderr


def test_escape_sequences_of_a_problem_stay_out_of_the_terminal(tmp_path):
    with Server(problem(400, "t\x1b[2J", "d\x07\x9b2J\xe9")) as server:
        assert run("gcc:14", server=server).stderr == b"pe-run: t?[2J: d???2J\xc3\xa9\n", "stderr"


def test_broken_responses_are_refused_completely(tmp_path):
    good = answer(stdout=b"secret", files=[(b"f", b"x")])
    form = good[1]["Content-Type"]
    no_result = multipart([("stdout", None, b"secret")])
    cases = [
        (200, {"Content-Type": form}, good[2][:-20]),
        (200, {"Content-Type": form}, b""),
        (200, {"Content-Type": form}, no_result),
        (200, {"Content-Type": "text/html"}, b"secret"),
        (200, {}, good[2]),
        (200, {"Content-Type": "multipart/form-data"}, good[2]),
        (500, {"Content-Type": "text/html"}, b"secret"),
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
        (200, {"Content-Type": form}, multipart([("result", None, b"{nonsense")])),
        (200, {"Content-Type": form}, multipart([("result", None, b'{"status": "odd"}')])),
    ]
    for case in cases:
        with Server(case) as server:
            done = run("gcc:14", server=server)
        assert done.returncode == 125, repr(case)[:120]
        assert done.stdout == b"", repr(case)[:120]
        assert b"pe-run: " in done.stderr


def test_a_truncated_response_prints_nothing(tmp_path):
    _, headers, body = answer(stdout=b"secret")
    with Server((200, {**headers, "Content-Length": str(len(body) + 9)}, body)) as server:
        done = run("gcc:14", server=server)
    assert done.returncode == 69, "result"
    assert done.stdout == b"", "result"


def test_an_endless_response_is_cut_off(tmp_path):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b"x" * (1 << 20))
        except OSError:
            pass
        raise ConnectionAbortedError

    with Server(endless) as server:
        done = run("gcc:14", server=server)
    assert done.returncode == 125, "exit code"
    assert b"bytes" in done.stderr


def test_an_unreachable_server_is_reported(tmp_path):
    done = run("--server", "http://127.0.0.1:9", "gcc:14")
    assert done.returncode == 69, "exit code"
    assert b"no answer from http://127.0.0.1:9" in done.stderr
    assert b"no answer from unix:" in run("--server", f"unix:{tmp_path}/none", "gcc:14").stderr


def test_ctrl_c_ends_the_wait(tmp_path):
    held = threading.Event()

    def slow(handler):
        held.wait(10 * PATIENCE)
        return answer()

    with Server(slow) as server:
        process = subprocess.Popen(
            [PE_RUN, "--server", server.url, "gcc:14"], stderr=subprocess.PIPE, env=environment()
        )
        eventually(lambda: server.count == 1, "the job was sent")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
        held.set()
    assert process.returncode == 130, "exit code"
    assert b"Interrupt" in stderr


def test_the_trace_of_the_environment_is_sent_with_the_job():
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with Server(answer()) as server:
        assert run("gcc:14", server=server, TRACEPARENT=trace).returncode == 0
        assert server.seen["traceparent"] == trace
        for wrong in "", "nonsense", trace + "\r\nX-Cache-Salt: other", trace[:-3]:
            assert run("gcc:14", server=server, TRACEPARENT=wrong).returncode == 0
            assert (server.seen["traceparent"], server.seen["salt"]) == (None, None), wrong
        assert run("gcc:14", server=server).returncode == 0
        assert server.seen["traceparent"] is None


def test_the_state_of_a_trace_is_sent_with_it_if_it_is_valid():
    trace = {"TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    with Server(answer()) as server:
        for given, variables, sent in (
            ("a=1, b=2", trace, "a=1,b=2"),
            ("a=1\r\nX-Cache-Salt: other", trace, None),
            ("a=1", {}, None),
        ):
            assert run("gcc:14", server=server, TRACESTATE=given, **variables).returncode == 0
            assert (server.seen["tracestate"], server.seen["salt"]) == (sent, None), given


def test_a_proxy_can_send_equal_jobs_to_the_same_balancer(tmp_path):
    file = write(tmp_path / "main.c", b"int main;")
    keys = []
    with Server(answer()) as server:
        for arguments in ("gcc:14", file), ("--timeout", "5", "gcc:14", file), ("gcc:13", file):
            assert run(*arguments, server=server).returncode == 0
            keys.append(server.seen["job_key"])
    assert keys[0] == keys[1] != keys[2]
    assert all(len(key) == 64 for key in keys)


def test_data_on_standard_input_that_nobody_reads_is_named_and_nothing_else_is(tmp_path):
    file = write(tmp_path / "data", b"data")
    unread = b"the program did not get what is on standard input"
    with Server(answer()) as server:
        assert unread in run("gcc:14", server=server, stdin=b"data").stderr
        for options in ("--stdin", "-"), ("--quiet",):
            assert unread not in run("gcc:14", *options, server=server, stdin=b"data").stderr
        for path, is_unread in (file, True), ("/dev/null", False), ("/dev/zero", False):
            with open(path, "rb") as opened:
                command = [PE_RUN, "--server", server.url, "gcc:14"]
                done = subprocess.run(command, stdin=opened, stderr=subprocess.PIPE, env=environment())
            assert done.returncode == 0 and (unread in done.stderr) == is_unread, path


def test_data_on_a_socket_that_nobody_reads_is_named_as_well():
    ours, other = socket.socketpair()  # what Node.js gives to its children
    with Server(answer()) as server, ours, other:
        ours.sendall(b"data")
        command = [PE_RUN, "--server", server.url, "gcc:14"]
        done = subprocess.run(command, stdin=other, stderr=subprocess.PIPE, env=environment())
    assert b"the program did not get what is on standard input" in done.stderr


def test_a_pipe_that_stays_open_without_data_is_no_reason_to_wait_or_to_warn():
    with Server(answer()) as server:
        process = subprocess.Popen(
            [PE_RUN, "--server", server.url, "gcc:14"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.wait(PATIENCE) == 0
        with process.stdin, process.stderr:
            assert process.stderr.read() == b""
