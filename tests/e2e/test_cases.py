# SPDX-License-Identifier: Apache-2.0
"""Stages and cases in real VMs, and the example of docs/cases.md."""
import json
import os
import subprocess

from fixtures import engine
from fixtures.paths import TOP, program

JUDGE = f"{TOP}/examples/judge/judge"


def judge(service, job):
    response = service.post(
        job={"image": "busybox:1.35", "timeout_ms": 60000, **job}, accept="application/json"
    )
    assert response.status == 200, response.body
    return response.json()


def sh(script, **members):
    return {"cmd": ["sh", "-c", script], **members}


def test_every_solution_of_the_example_gets_its_verdict(service):
    done = subprocess.run(
        [JUDGE, *engine.JUDGE_OPTIONS, f"http://{service.balancer.tcp}", "c", "py", "sh", "awk"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 21


def test_each_case_sees_the_files_of_the_stages_and_none_of_other_cases(service):
    stages = [
        sh("echo built > out; ls -A"),
        sh("cat out; ls -A; echo x > mine; echo y >> out; cat; echo $#"),
    ]
    cases = [{"stdin": f"input {i}\n", "args": ["a"] * i} for i in range(3)]
    result = judge(service, {"stages": stages, "cases": cases})
    assert [one["verdict"] for one in result["cases"]] == ["right"] * 3, result
    for i, one in enumerate(result["cases"]):
        assert one["stdout"] == f"built\nout\ninput {i}\n{max(0, i - 1)}\n"


def test_a_checker_sees_input_output_and_answer_and_the_program_does_not_see_the_answer(service):
    check = 'printf "%s|%s|%s" "$(cat "$0")" "$(cat "$1")" "$(cat "$2")"; cmp -s "$1" "$2"'
    stage = sh("cat; grep -rl secret /work /input /tmp 2>/dev/null; true")
    stage["expect"] = {"checker": ["sh", "-c", check]}
    cases = [{"stdin": text, "expect": {"text": "secret"}} for text in ("secret", "other")]
    result = judge(service, {"stages": [sh("true"), stage], "cases": cases})
    assert [one["verdict"] for one in result["cases"]] == ["right", "wrong"], json.dumps(result)
    assert result["cases"][1]["checker"]["stdout"] == "other|other|secret"


# ---- from the command line ----


def pe_run(service, *arguments):
    """What came of pe-run with this service, or with one of its own."""
    env = {key: value for key, value in os.environ.items() if key != "PE_SERVER"}
    server = ["--server", service.url] if service else []
    return subprocess.run(
        [program("pe-run"), *server, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**env, "XDG_CONFIG_HOME": "/nonexistent"},
    )


def test_pe_run_sends_a_job_file_with_the_files_that_it_names_and_prints_a_table(service, tmp_path):
    (tmp_path / "double.sh").write_text("read n; echo $((2 * n))\n")
    (tmp_path / "cases").mkdir()
    for name, number in (("1.in", 4), ("1.out", 8), ("2.in", 5), ("2.out", 11)):
        (tmp_path / "cases" / name).write_text(f"{number}\n")
    names = [{"stdin": {"file": f"cases/{i}.in"}, "expect": {"file": f"cases/{i}.out"}} for i in (1, 2)]
    stages = [sh("cp double.sh program"), sh("sh program", memory_mib=64)]
    job = {"image": "busybox:1.35", "stages": stages, "cases": names}
    (tmp_path / "job.json").write_text(json.dumps(job))
    done = pe_run(service, "--job", str(tmp_path / "job.json"), str(tmp_path / "double.sh"))
    assert (done.returncode, done.stderr) == (1, ""), done
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "ok"], ["1", "right"], ["2", "wrong"]]
    assert lines[4:] == [
        '      line 1: "11" was expected, but "10" was printed',
        "1 of 2 right: wrong answer in case 2",
    ]


def test_pe_run_without_a_server_runs_the_cases_of_a_directory(tmp_path):
    (tmp_path / "sum.sh").write_text('read a b; test "$a" || exit 3; echo $((a + b))\n')
    (tmp_path / "cases").mkdir()
    for name, text in (("1.in", "1 2"), ("1.out", "3"), ("2.in", ""), ("2.out", "0"), ("10.in", "5 5"), ("10.ans", "10")):
        (tmp_path / "cases" / name).write_text(f"{text}\n")
    cases = ["--cases", str(tmp_path / "cases"), "--compile", "cp sum.sh sum", "--limit", "memory=64"]
    done = pe_run(None, "-q", *cases, "busybox:1.35", str(tmp_path / "sum.sh"), "--", "sh", "sum")
    assert (done.returncode, done.stderr) == (1, ""), done
    verdicts = [line.split()[:2] for line in done.stdout.splitlines()[1:5]]
    assert verdicts == [["compile", "ok"], ["1", "right"], ["2", "failed"], ["10", "right"]]
    assert done.stdout.endswith("\n2 of 3 right: exit code 3 in case 2\n")
