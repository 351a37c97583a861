# SPDX-License-Identifier: Apache-2.0
"""Jobs in a file, with stages and cases: what is sent, what is shown, how pe-run ends."""
import contextlib
import json
import os
import signal
import subprocess
import threading

import pytest

from fixtures.live_server import base64_text, events
from fixtures.pe_run import PE_RUN, environment, run, write
from fixtures.stub_server import RESULT, Server, answer, problem
from fixtures.terminal import ERASE, Terminal
from fixtures.waiting import PATIENCE

USAGE = {"wall_ms": 2.5, "cpu_ms": 1.5, "peak_memory_kib": 412, "stdout": "", "stderr": ""}
ENDED = {"status": "ok", "exit_code": 0, "signal": None, **USAGE}
JUDGED = {
    "image": "gcc:14",
    "stages": [{"name": "compile", "cmd": ["cc", "a.c"]}, {"name": "run", "cmd": ["./a.out"]}],
    "cases": [{"stdin": "1", "expect": "1"}, {"stdin": "2", "expect": "2"}],
}


def job_file(folder, job, name="job.json"):
    return write(f"{folder}/{name}", json.dumps(job).encode())


def summary(verdict, **members):
    return {"summary": {"verdict": verdict, "cases": 2, **members}}


def judged(*verdicts, stage="ok", **members):
    """The events of a job with these verdicts of its cases."""

    def script(body):
        body.event("queued", id="0" * 32)
        body.event("started")
        body.event("stage", index=0, name="compile", **{**ENDED, "status": stage, **members})
        for i, verdict in enumerate(verdicts):
            body.event("case", index=i, name=str(i + 1), verdict=verdict, **{**ENDED, "stdout": "1\n"})
        bad = [verdict for verdict in verdicts if verdict != "right"]
        failed = {"stage": "compile"} if stage != "ok" else {}
        body.result(**summary(stage if failed else (bad or ["right"])[0], **failed))

    return script


def sent(server):
    """The job that the server has got, and the files."""
    parts = server.seen["parts"]
    return json.loads(parts[0][2]), {name.decode(): content for _, name, content in parts[1:]}


# ---- what is sent ----


def test_data_on_standard_input_that_nobody_reads_is_named_with_what_the_job_can_do(tmp_path):
    notes = {
        b"the job says what its stages and cases get": (JUDGED, events(judged("right", "right"))),
        b"--stdin - passes it on": ({"image": "gcc:14", "cmd": ["true"]}, answer()),
    }
    for note, (job, script) in notes.items():
        with Server(script) as server:
            done = run("--job", job_file(tmp_path, job), server=server, stdin=b"data")
        assert b"did not get what is on standard input; " + note in done.stderr


def test_the_job_is_sent_with_the_files_of_the_command_line_and_those_that_it_names(tmp_path):
    job = {
        "image": "gcc:14",
        "files": {"a.h": "text \u00e9", "b.bin": {"base64": base64_text(b"\0\xff")}},
        "stages": [{"cmd": ["cc"], "stdin": {"file": "a.h"}}, {"cmd": ["./a"], "expect": {"file": "same"}}],
        "cases": [{"stdin": {"file": "cases/1.in"}, "expect": {"file": "cases/1.out"}}, {}],
        "on_failure": "stop",
        "slots": 2,
        "process_limit": 9,
    }
    given = write(f"{tmp_path}/elsewhere/a.c", b"int x;")
    for name in ("same", "cases/1.in", "cases/1.out", "cases/not named"):
        write(f"{tmp_path}/jobs/{name}", name.encode())
    path = job_file(tmp_path, job, "jobs/job.json")
    with Server(events(judged("right", "right"))) as server:
        done = run("--no-cache", "--job", path, given, server=server, cwd="/")
        text, files = sent(server)
    assert done.returncode == 0, done.stderr
    del job["files"]
    assert text == {**job, "cache": False}
    assert files == {
        "a.c": b"int x;",
        "a.h": "text \u00e9".encode(),
        "b.bin": b"\0\xff",
        "same": b"same",
        "cases/1.in": b"cases/1.in",
        "cases/1.out": b"cases/1.out",
    }


def test_a_file_of_the_command_line_takes_the_place_of_the_one_beside_the_job(tmp_path):
    path = job_file(tmp_path, {**JUDGED, "cases": [{"stdin": {"file": "1.in"}}]})
    write(f"{tmp_path}/1.in", b"beside")
    other = write(f"{tmp_path}/other/1.in", b"given")
    with Server(events(judged("right"))) as server:
        assert run("--job", path, other, server=server).returncode == 0
        assert sent(server)[1] == {"1.in": b"given"}


def test_a_job_is_read_from_standard_input_and_its_files_from_the_current_directory(tmp_path):
    job = {**JUDGED, "cases": [{"stdin": {"file": "1.in"}}]}
    write(f"{tmp_path}/1.in", b"here")
    with Server(events(judged("right"))) as server:
        done = run("--job", "-", server=server, stdin=json.dumps(job).encode(), cwd=tmp_path)
        assert sent(server) == (job, {"1.in": b"here"})
    assert done.returncode == 0, done.stderr


def test_a_byte_order_mark_in_front_of_a_job_is_ignored(tmp_path):
    path = write(f"{tmp_path}/job.json", b"\xef\xbb\xbf" + json.dumps(JUDGED).encode())
    with Server(events(judged("right"))) as server:
        done = run("--job", path, server=server)
        assert sent(server)[0] == JUDGED
    assert done.returncode == 0, done.stderr


def test_a_job_without_stages_can_be_in_a_file_too(tmp_path):
    path = job_file(tmp_path, {"image": "gcc:14", "cmd": ["true"], "files": {"a": ""}})
    with Server(answer(stdout=b"out", exit_code=3)) as server:
        done = run("--timeout", "5", "--job", path, server=server)
        assert sent(server) == ({"image": "gcc:14", "cmd": ["true"], "timeout_ms": 5000}, {"a": b""})
    assert (done.returncode, done.stdout) == (3, b"out")


# ---- what is refused before anything is sent ----


def test_no_file_outside_of_the_directory_of_the_job_is_sent(tmp_path):
    write(f"{tmp_path}/secret", b"secret")
    write(f"{tmp_path}/jobs/dir/x")
    os.symlink("../secret", f"{tmp_path}/jobs/link")
    os.symlink(tmp_path, f"{tmp_path}/jobs/up")
    os.mkfifo(f"{tmp_path}/jobs/fifo")
    names = {
        "../secret": "'..'",
        f"{tmp_path}/secret": "",
        "link": "is outside of",
        "up/secret": "is outside of",
        "dir": "not a regular file",
        "fifo": "not a regular file",
        "missing": "neither among the files that were given nor in",
    }
    with Server(events(judged("right"))) as server:
        for name, reason in names.items():
            for member in ("stdin", "expect"):
                path = job_file(tmp_path, {**JUDGED, "cases": [{member: {"file": name}}]}, "jobs/job.json")
                done = run("--job", path, server=server)
                assert done.returncode == 64 and reason in done.stderr.decode(), (name, done.stderr)
        assert server.count == 0


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("--timeout", "5"), "both say 'timeout_ms'"),
        (("--env", "A=1"), "both say 'env'"),
        (("--no-cache",), "both say 'cache'"),
        (("--limit", "stdout=1"), "says 'stdout_max', but each stage of a job has its own"),
        (("--combined",), "says 'combined', but each stage"),
        (("-t",), "--job and --tty cannot be combined"),
    ],
)
def test_options_that_contradict_the_job_are_usage_errors(tmp_path, arguments, reason):
    path = job_file(tmp_path, {**JUDGED, "timeout_ms": 1000, "env": {"B": "2"}, "cache": True})
    with Server(events(judged("right"))) as server:
        done = run(*arguments, "--job", path, server=server)
        assert (done.returncode, server.count) == (64, 0) and reason in done.stderr.decode(), done.stderr


def test_a_command_belongs_into_the_stages(tmp_path):
    with Server(events(judged("right"))) as server:
        done = run("--job", job_file(tmp_path, JUDGED), "--", "./a.out", server=server)
    assert done.returncode == 64 and b"says 'cmd', but each stage" in done.stderr


@pytest.mark.parametrize(
    "text, reason",
    [
        (b"{", "line 1"),
        (b"\xef\xbb\xbf", "line 1"),
        (b"[]", "not a JSON object"),
        (b'{"image": "a", "image": "b"}', "duplicate"),
        (b'{"stages": []}', "'image'"),
        (b'{"image": "a", "stagez": []}', "stagez"),
        (b'{"image": "a", "files": []}', "'files' is not an object"),
        (b'{"image": "a", "files": {"x": 1}}', "file 'x' of the job"),
        (b'{"image": "a", "files": {"x": {"base64": "*"}}}', "file 'x' of the job"),
        (b'{"image": "a", "files": {"../x": ""}}', "file '../x' of the job"),
    ],
)
def test_a_file_that_is_no_job_is_a_usage_error(tmp_path, text, reason):
    path = write(f"{tmp_path}/job.json", text)
    with Server(events(judged("right"))) as server:
        done = run("--job", path, server=server)
        assert (done.returncode, server.count) == (64, 0) and reason in done.stderr.decode(), done.stderr


# ---- what is shown ----


def test_a_table_has_the_verdict_of_each_case_and_the_last_line_says_what_came_of_all(tmp_path):
    path = job_file(tmp_path, JUDGED)
    with Server(events(judged("right", "wrong"))) as server:
        done = run("--job", path, server=server)
    assert (done.returncode, done.stderr) == (1, b"")
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert rows[1:4] == [
        ["compile", "ok", "2.5", "1.5", "412", "0"],
        ["1", "right", "2.5", "1.5", "412", "0"],
        ["2", "wrong", "2.5", "1.5", "412", "0"],
    ]
    assert done.stdout.decode().splitlines()[4:] == [
        '         line 1: "2" was expected, but "1" was printed',
        "1 of 2 right: wrong answer in case 2",
    ]


def test_a_stage_that_fails_shows_what_it_printed(tmp_path):
    script = judged("skipped", "skipped", stage="failed", exit_code=1, stderr="a.c:1: error\n")
    with Server(events(script)) as server:
        done = run("--job", job_file(tmp_path, JUDGED), server=server)
    assert (done.returncode, done.stderr) == (2, b"a.c:1: error\n")
    assert done.stdout.endswith(b"0 of 2 right: exit code 1 in stage compile\n")


def test_without_cases_the_output_of_the_last_stage_is_that_of_a_program(tmp_path):
    def script(body):
        body.event("stage", index=0, name="compile", **{**ENDED, "stdout": "not shown"})
        body.event("stage", index=1, name="run", **{**ENDED, "stdout": "out\n", "stderr": "err\n"})
        body.result(**summary("right"))

    path = job_file(tmp_path, {key: JUDGED[key] for key in ("image", "stages")})
    with Server(events(script)) as server:
        done = run("--job", path, server=server)
    assert (done.returncode, done.stdout) == (0, b"out\n")
    assert done.stderr.startswith(b"err\nstage ") and done.stderr.endswith(b"\n2 stages: ok\n")


def test_without_cases_the_last_line_says_which_stage_failed(tmp_path):
    def script(body):
        ended = {**ENDED, "verdict": "failed", "exit_code": 1}
        body.event("stage", index=0, name="compile", **ended)
        body.result(**summary("failed", stage="compile"))

    path = job_file(tmp_path, {**JUDGED, "stages": JUDGED["stages"][:1], "cases": []})
    with Server(events(script)) as server:
        done = run("--job", path, server=server)
    assert done.returncode == 2
    assert (done.stdout + done.stderr).endswith(b"\n1 stage: exit code 1 in stage compile\n")


def test_json_is_printed_unchanged_and_the_exit_code_is_the_same(tmp_path):
    path = job_file(tmp_path, JUDGED)
    for members, code in (
        (summary("right"), 0),
        (summary("wrong"), 1),
        (summary("failed", stage="compile"), 2),
        ({**summary("timeout"), "status": "timeout", "exit_code": None}, 124),
        ({**summary("interrupted"), "status": "vm_error", "reason": "lost"}, 125),
    ):
        result = {**RESULT, **members, "stages": [], "cases": [{"name": "1", "stdout": "a\0b"}]}
        body = json.dumps({**result, "stdout": "", "stderr": "", "files": []}).encode()
        with Server((200, {"Content-Type": "application/json"}, body)) as server:
            done = run("--json", "--job", path, server=server)
        assert (done.stdout, done.returncode) == (body, code)


def test_a_refusal_of_the_service_has_its_usual_exit_code(tmp_path):
    with Server(problem(422, "Invalid", "cases[0]: no", "invalid-job")) as server:
        done = run("--job", job_file(tmp_path, JUDGED), server=server)
    assert done.returncode == 65 and b"cases[0]: no" in done.stderr


def test_a_server_that_reports_a_case_twice_or_one_that_there_is_not_is_not_believed(tmp_path):
    def twice(body):
        for _ in range(2):
            body.event("case", index=0, name="1", verdict="right", **ENDED)

    def unknown(body):
        body.event("case", index=2, name="3", verdict="right", **ENDED)

    for script in (twice, unknown):
        with Server(events(script)) as server:
            done = run("--job", job_file(tmp_path, JUDGED), server=server)
        assert done.returncode == 125 and b"broken event 'case'" in done.stderr


def test_on_a_terminal_progress_is_shown_and_verdicts_have_colours(tmp_path):
    seen = threading.Event()

    def script(body):
        hold = body.result
        body.result = lambda **members: (seen.wait(PATIENCE), hold(**members))
        judged("right", "wrong")(body)

    with Server(events(script)) as server:
        terminal = Terminal("--job", job_file(tmp_path, JUDGED), server=server)
        terminal.until(rb"waiting \d\.\d s; 2 of 2 cases, 1 right\x1b\[K")
        seen.set()
        assert terminal.end() == 1
    table = terminal.seen[terminal.seen.rindex(ERASE) :]
    assert b"\x1b[32mright\x1b[0m" in table and b"\x1b[31mwrong\x1b[0m" in table


def test_without_colours_if_the_user_wants_none(tmp_path):
    with Server(events(judged("right", "right"))) as server:
        terminal = Terminal("--job", job_file(tmp_path, JUDGED), server=server, NO_COLOR="1")
        assert terminal.end() == 0
    assert b"\x1b[3" not in terminal.seen and b"2 of 2 right" in terminal.seen


def test_an_interrupt_cancels_the_job(tmp_path):
    asked, gone = threading.Event(), threading.Event()

    def script(body):
        body.event("started")
        asked.set()
        with contextlib.suppress(ConnectionError):  # if it had not read all events
            body.client_is_gone()
        gone.set()

    with Server(events(script)) as server:
        command = [PE_RUN, "--job", job_file(tmp_path, JUDGED)]
        job = subprocess.Popen(command, env=environment(server), stdin=subprocess.DEVNULL)
        assert asked.wait(PATIENCE)
        job.send_signal(signal.SIGINT)
        assert job.wait(PATIENCE) == 130
        assert gone.wait(PATIENCE)
