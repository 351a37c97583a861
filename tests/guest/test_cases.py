# SPDX-License-Identifier: Apache-2.0
"""Stages and cases of a plan in the guest (proto/stage_plan.h): which programs are run, what each of them sees,
and what they cannot do to one another."""
import hashlib
import os
import subprocess

import pytest

from fixtures.paths import TOP
from fixtures.stages import CasePlan, read_runs


def run_job(guest, plan, **job):
    with guest.boot() as vm:
        return vm.run(**plan.job(**job))


def run(guest, plan, **job):
    result = run_job(guest, plan, **job)
    assert (result.status, result.exit_code) == ("exited", 0), (result, result.stderr)
    return read_runs(result.stdout)


def ends(runs):
    return [(run.kind, run.label, run.end) for run in runs]


@pytest.mark.each_engine
def test_a_case_sees_what_the_stages_left_and_nothing_of_another_case(guest):
    build = "cp prog built; mkdir tree; echo a >tree/file; echo t >/tmp/t; echo o >/output/of-stage; echo s >/dev/shm/s"
    places = "new tree/new /output/o /tmp/n /dev/shm/n /etc/n /new"
    look = f"""
        cat; cat built tree/file /tmp/t; ls -A . /work/tree /output /tmp /dev/shm | tr '\\n' ' '; ls -A /input
        echo "$1" $A; for place in {places}; do echo x >$place || echo cannot write $place; done; rm -r tree"""
    plan = CasePlan()
    plan.stage("compile", build)
    plan.stage("run", look, needs=[0], env=["A=b"])
    for i in range(3):
        plan.case(f"argument {i}", stdin=b"input %d\n" % i)
    result = run_job(guest, plan, files={"prog": b"program\n"})
    runs = read_runs(result.stdout)
    assert ends(runs) == [("stage", "compile", "exited 0")] + [
        ("case", str(i), "exited 0") for i in range(3)
    ], runs
    for i, case in enumerate(runs[1:]):
        lines = case.out.decode().split("\n")
        assert lines[:4] == [f"input {i}", "program", "a", "t"], case
        assert lines[4].split() == (
            ".: built prog tree /dev/shm: /output: /tmp: t /work/tree: file prog".split()
        ), case  # the last word is /input, which `ls` prints behind it
        assert lines[5:] == [f"argument {i} b", ""], case
        assert case.err == b"", case
    assert list(result.files) == [b"of-stage"], result.files


def test_a_stage_runs_only_if_those_that_it_needs_have_done_what_they_must_do(guest):
    plan = CasePlan()
    right = plan.checker('[ "$(cat $1 $2 $3)" = "$(printf "in\\nout\\nanswer")" ] && echo compared >&2')
    wrong = plan.checker("echo no; exit 3")
    plan.stage("one", "cat; exit 4", code=4, stdin=b"text\n", expect=b"text \n\n")
    plan.stage("two", "echo out", needs=[0], stdin=b"in\n", checker=right, answer=b"answer\n")
    plan.stage("three", "echo 3", needs=[0, 1], checker=wrong)
    plan.stage("four", "echo 4", needs=[2])
    plan.stage("five", "echo 5", expect=b"6")
    plan.stage("six", "echo 6", needs=[4])
    plan.case()
    runs = run(guest, plan)
    assert ends(runs) == [
        ("stage", "one", "exited 4"),
        ("stage", "two", "exited 0"),
        ("check", "", "exited 0"),
        ("stage", "three", "exited 0"),
        ("check", "", "exited 3"),
        ("stage", "four", "skipped"),
        ("stage", "five", "exited 0"),
        ("case", "0", "skipped"),
    ], runs
    assert runs[2].err == b"compared\n", runs
    assert runs[4].out == b"no\n", runs


@pytest.mark.parametrize("stop", [False, True], ids=["continue", "stop"])
def test_the_first_failure_ends_the_cases_only_if_the_plan_says_so(guest, stop):
    plan = CasePlan(stop=stop)
    plan.stage("run", "read answer; echo $answer $1")
    plan.case("a", stdin=b"0\n", expect=b"0 a", number=3)
    plan.case("b", stdin=b"1\n", expect=b"2 b", number=5)
    plan.case("c", stdin=b"2\n", number=999)
    runs = run(guest, plan)
    assert [run.label for run in runs] == ["3", "5", "999"]
    assert [run.end for run in runs] == ["exited 0"] * 2 + ["skipped" if stop else "exited 0"]
    assert runs[0].fields["sha256"] == hashlib.sha256(b"0 a").hexdigest()
    assert runs[1].fields["sha256"] == hashlib.sha256(b"1 b").hexdigest()
    assert runs[2].out == (b"" if stop else b"2 c\n")


@pytest.mark.each_engine
def test_each_case_has_limits_of_its_own_and_one_that_exceeds_them_harms_no_other(guest):
    plan = CasePlan()
    plan.stage("run", 'eval "$1"')
    eat = "x=$(head -c 12000000 /dev/zero | tr '\\0' x); echo ${#x}"
    plan.case("echo fine")
    plan.case("echo before; sleep 1000", wall=500)
    plan.case("while :; do :; done", cpu=300, wall=100000)
    plan.case(eat, memory=5_000_000)
    plan.case(eat)
    plan.case("while :; do echo $$; done", output=1000)
    plan.case("while :; do echo $$ >&2; done", output=1000, error=100)
    plan.case("kill -SEGV $$")
    plan.case("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo forked", processes=5)
    plan.case("head -c 100000 /dev/zero >file; ls -s file", file=4096)
    plan.case("echo fine")
    cases = run(guest, plan, timeout_ms=600000)
    assert [case.label for case in cases] == [str(i) for i in range(11)]
    assert cases[0].out == cases[10].out == b"fine\n", cases
    assert (cases[1].end, cases[1].out) == ("wall", b"before\n"), cases[1]
    assert cases[2].end == "cpu" and int(cases[2].fields["wall_us"]) >= 290_000, cases[2]
    assert cases[3].out != b"12000000\n" and int(cases[3].fields["oom_kills"]) >= 1, cases[3]
    assert cases[4].out == b"12000000\n" and cases[4].fields["oom_kills"] == "0", cases[4]
    assert (cases[5].end, len(cases[5].out)) == ("stdout", 1000), cases[5]
    assert (cases[6].end, len(cases[6].err)) == ("stderr", 100), cases[6]
    assert cases[7].end == "signaled 11", cases[7]
    assert b"forked" not in cases[8].out, cases[8]
    assert cases[9].end != "exited 0" or cases[9].out.split()[0] == b"4", cases[9]


def test_a_report_that_is_full_has_every_case_and_says_what_is_missing(guest):
    plan = CasePlan(report_bytes=65536)
    plan.stage("run", "head -c 40000 /dev/zero | tr '\\0' $1; echo e >&2; exit $2")
    text = {letter: letter * 40000 for letter in "abcd"}
    for code, letter in enumerate(text):
        plan.case(letter, str(code), expect=text[letter].encode(), code=code)
    result = run_job(guest, plan)
    assert result.fields["stdout_truncated"] == "0", result.fields
    cases = read_runs(result.stdout)
    assert [case.end for case in cases] == [f"exited {code}" for code in range(4)], cases
    assert [len(case.out) + int(case.fields.get("stdout_cut", 0)) for case in cases] == [40000] * 4
    # Room that was reserved for a case is left for the next ones when the case has ended.
    assert [len(case.out) > 10000 for case in cases] == [True, True, False, False], cases
    assert cases[1].fields["stderr_cut"] == "2", cases
    for case, letter in zip(cases, text):
        assert case.fields["sha256"] == hashlib.sha256(text[letter].encode()).hexdigest()


@pytest.mark.each_engine
def test_only_a_checker_sees_answers_and_what_it_writes_is_seen_by_nobody(guest):
    search = "grep -rl 'secret [a]nswer' /dev/shm /work /input /output /tmp /etc /var 2>/dev/null"
    plan = CasePlan()
    judge = plan.checker(f"cat $1 $2 $3; ls -A /dev/shm /output | tr '\\n' ' '; {search}; touch checked /tmp/checked")
    plan.stage("run", f"ls -A . /tmp | tr '\\n' ' '; {search}; cat /proc/1/environ /input/.pe-plan /work/.pe-plan; echo own >.pe-plan; echo out")
    for i in range(2):
        plan.case(stdin=b"in\n", checker=judge, answer=b"secret answer")
    runs = run(guest, plan)
    assert [run.end for run in runs] == ["exited 0"] * 4, runs
    for case, checked in zip(runs[::2], runs[1::2]):
        assert case.out.split() == b".: /tmp: out".split(), case
        assert b"own" not in case.err and case.err.count(b"No such file") == 2, case
        lines = checked.out.replace(b"answer", b"answer\n").split(b"\n")
        assert checked.out.startswith(b"in\n" + case.out + b"secret answer/dev/shm: answer input output"), lines
        assert b"/dev/shm/answer" in checked.out and b"/work" not in checked.out, checked


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    program = tmp_path_factory.mktemp("attack") / "case_attack"
    source = os.path.join(TOP, "tests/guest/case_attack.c")
    subprocess.run(["gcc", "-O1", "-D_GNU_SOURCE", "-static", "-s", "-o", program, source], check=True)
    return program.read_bytes()


@pytest.mark.each_engine
def test_a_case_can_influence_neither_the_next_one_nor_what_watches_it(guest, attack):
    plan = CasePlan()
    plan.stage("build", "mkdir -p tree deep/er; echo a >tree/file; mkdir -p /var/tmp /root /run")
    plan.stage("run", ["/work/case_attack"], needs=[0])
    for i in range(3):
        plan.case("look", stdin=b"text")
        plan.case("leave", stdin=b"text", wall=60000)
    plan.case("look", stdin=b"text")
    runs = run(guest, plan, files={"case_attack": attack}, timeout_ms=180000)
    for case in runs[1:]:
        assert b"BREACH" not in case.out, case
    assert [case.end for case in runs[1:]] == ["exited 0", "signaled 9"] * 3 + ["exited 0"], runs
    assert {case.out for case in runs[1::2]} == {b"input 4 text\nlooked, 0 breaches\n"}, runs


def test_what_is_no_plan_is_refused_with_a_reason(guest):
    plan = CasePlan()
    plan.stage("run", "echo ran")
    for data in (b"", b"pe-plan 1\0" + b"9" * 100, plan.encode()[:-1]):
        with guest.boot() as vm:
            result = vm.run(["/dev/pe-shim", "plan"], stdin=data)
        assert (result.status, result.exit_code, result.stdout) == ("exited", 126, b""), result
        assert b"plan of stages" in result.stderr, result.stderr
