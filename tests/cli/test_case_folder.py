# SPDX-License-Identifier: Apache-2.0
"""Cases of a directory: the job that pe-run makes of --cases and the options beside it."""
import json
import signal
import subprocess

import pytest

from fixtures.live_server import events
from fixtures.pe_run import PE_RUN, environment, run, write
from fixtures.stub_server import Server
from fixtures.waiting import PATIENCE


@pytest.fixture
def cases(tmp_path):
    for name in ("1.in", "1.out", "10.in", "10.ans", "2.in", "2.out"):
        write(f"{tmp_path}/cases/{name}", name.encode())
    return f"{tmp_path}/cases/"


def right(body):
    body.result(summary={"verdict": "right"})


def job_of(*arguments, code=0, **more):
    """The job that the server gets, and the names of its files."""
    with Server(events(right)) as server:
        done = run("gcc:14", *arguments, server=server, **more)
        assert done.returncode == code, done.stderr
        parts = server.seen["parts"]
    return json.loads(parts[0][2]), [name.decode() for _, name, _ in parts[1:]]


def test_each_pair_of_files_is_a_case_in_the_order_of_the_numbers(cases, tmp_path):
    source = write(f"{tmp_path}/a.c")
    job, files = job_of(source, "--cases", cases, "--compile", "cc a.c", "--timeout", "2", "--", "./a.out", "x")
    assert job == {
        "image": "gcc:14",
        "env": {},
        "cache": True,
        "stages": [
            {"name": "compile", "cmd": ["sh", "-c", "cc a.c"], "timeout_ms": 60000},
            {"name": "run", "cmd": ["./a.out", "x"], "timeout_ms": 2000},
        ],
        "cases": [
            {"name": name, "stdin": {"file": f"cases/{name}.in"}, "expect": {"file": f"cases/{name}.{answer}"}}
            for name, answer in (("1", "out"), ("2", "out"), ("10", "ans"))
        ],
    }
    pairs = ["1.in", "1.out", "2.in", "2.out", "10.in", "10.ans"]
    assert files == ["a.c", *(f"cases/{name}" for name in pairs)]


def test_limits_hold_for_each_case_and_those_of_processes_for_all_stages(cases):
    limits = ("processes=5", "stdout=1", "cpu=1000", "memory=64")
    options = [word for limit in limits for word in ("--limit", limit)]
    job, _ = job_of("--cases", cases, "--on-failure", "stop", *options, "--", "./a")
    assert job["stages"] == [
        {"name": "run", "cmd": ["./a"], "cpu_ms": 1000, "memory_mib": 64, "stdout_max": 1024}
    ]
    assert (job["process_limit"], job["on_failure"]) == (5, "stop")


def test_an_exact_comparison_is_what_the_stage_expects(cases):
    job, _ = job_of("--cases", cases, "--compare", "exact", "--", "./a")
    assert job["stages"] == [{"name": "run", "cmd": ["./a"], "expect": {"compare": "exact"}}]


def test_data_on_standard_input_is_not_for_cases_and_the_note_says_what_is(cases):
    with Server(events(right)) as server:
        done = run("gcc:14", "--cases", cases, "--", "./a", server=server, stdin=b"data")
    note = b"the program did not get what is on standard input; the input of a case is its file NAME.in\n"
    assert note in done.stderr and b"--stdin" not in done.stderr


def test_a_checker_gets_the_paths_behind_its_own_arguments_and_needs_no_answers(cases, tmp_path):
    write(f"{cases}/3.in")
    job, _ = job_of("--cases", cases, "--checker", "./check -v", "--", "./a")
    checker = job["stages"][0]["expect"]["checker"]
    assert [one.get("expect") for one in job["cases"]][2] is None
    script = write(f"{tmp_path}/check", b'#!/bin/sh\necho "$@"\n')
    subprocess.run(["chmod", "+x", script], check=True)
    done = subprocess.run([*checker, "in put", "out", "answer"], cwd=tmp_path, capture_output=True)
    assert (done.stdout, done.returncode) == (b"-v in put out answer\n", 0)


@pytest.mark.parametrize("command, code", [("true", 0), ("false", 1), ("sh -c 'exit 7'", 7)])
def test_a_checker_decides_by_its_exit_code(cases, command, code):
    job, _ = job_of("--cases", cases, "--checker", command, "--", "./a")
    assert subprocess.run(job["stages"][0]["expect"]["checker"]).returncode == code


@pytest.mark.parametrize("command", ["no-such-checker", "/dev/null", "sh -c 'kill -SEGV $$'"])
def test_a_checker_that_cannot_run_or_crashes_decides_nothing(cases, command):
    job, _ = job_of("--cases", cases, "--checker", command, "--", "./a")
    done = subprocess.run(job["stages"][0]["expect"]["checker"], capture_output=True)
    assert done.returncode == -signal.SIGKILL


def test_many_cases_get_a_time_limit_together_that_services_accept(tmp_path):
    for i in range(100):
        write(f"{tmp_path}/cases/{i}.in")
        write(f"{tmp_path}/cases/{i}.out")
    cases = ("--cases", f"{tmp_path}/cases", "--", "./a")
    assert job_of(*cases)[0]["timeout_ms"] == 600000
    assert "timeout_ms" not in job_of("--timeout", "1", *cases)[0]


def test_cases_in_the_current_directory_keep_their_names(cases):
    assert job_of("--cases", ".", "--", "./a", cwd=cases)[1][:2] == ["1.in", "1.out"]


def test_the_table_shows_how_a_file_differs_from_the_output(cases):
    def script(body):
        body.event("case", index=1, name="2", status="ok", verdict="wrong", exit_code=0, stdout="x", wall_ms=1)
        body.result(summary={"verdict": "wrong"})

    with Server(events(script)) as server:
        done = run("gcc:14", "--cases", cases, "--", "./a", server=server)
    assert done.returncode == 1
    assert b'line 1: "2.out" was expected, but "x" was printed\n' in done.stdout


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("--compile", "cc"), "--compile needs --cases"),
        (("--checker", "./c"), "--checker needs --cases"),
        (("--compare", "exact"), "--compare needs --cases"),
        (("--cases", "CASES", "--compare", "exact", "--checker", "c", "--", "a"), "the checker decides"),
        (("--cases", "CASES", "--compare", "loose", "--", "a"), "exact or trailing-space, not 'loose'"),
        (("--on-failure", "stop"), "--on-failure needs --cases"),
        (("--limit", "cpu=1"), "for the cases of --cases"),
        (("--cases", "CASES"), "needs a command after --"),
        (("--cases", "CASES", "--stdin", "-", "--", "a"), "--cases and --stdin"),
        (("--cases", "CASES", "-t", "--", "a"), "--cases and --tty"),
        (("--cases", "CASES", "--combined", "--", "a"), "--cases and --combined"),
        (("--cases", "CASES", "--job", "-", "--", "a"), "--cases and --job"),
        (("--cases", "CASES", "--on-failure", "go on", "--", "a"), "continue or stop, not 'go on'"),
        (("--cases", "CASES/1.in", "--", "a"), "cannot read the directory of cases"),
        (("--cases", "CASES", "CASES", "--", "a"), "would both be called 'cases/1.in'"),
        (("--watch", "--cases", "CASES", "-o", "CASES/out", "--", "a"), "output files would start the next run"),
    ],
)
def test_what_does_not_fit_together_is_a_usage_error(cases, arguments, reason):
    arguments = [word.replace("CASES", cases) for word in arguments]
    with Server(events(right)) as server:
        done = run("gcc:14", *arguments, server=server)
        assert (done.returncode, server.count) == (64, 0) and reason in done.stderr.decode(), done.stderr


def test_a_change_of_a_case_starts_the_next_run(cases):
    with Server(events(right)) as server:
        job = subprocess.Popen(
            [PE_RUN, "--watch", "gcc:14", "--cases", cases, "--", "./a"],
            env=environment(server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = iter(job.stderr.readline, "")
        assert "waiting for a change" in next(lines)
        write(f"{cases}/3.in")
        write(f"{cases}/3.out")
        assert any("waiting for a change" in line for line in lines)
        job.terminate()
        job.communicate(timeout=PATIENCE)
        names = [one["name"] for one in json.loads(server.seen["parts"][0][2])["cases"]]
    assert "3" in names
