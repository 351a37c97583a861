# SPDX-License-Identifier: Apache-2.0
"""Stages in the guest (proto/stages.h) against programs that do not want to be watched."""
import pytest

from fixtures.stages import plan, read

pytestmark = pytest.mark.each_engine


def run(piston, *stages, **fields):
    job = piston.run(plan(*stages), **fields)
    assert job.status == "exited", job.stderr
    assert job.exit_code == 0, job.stderr
    assert not job.stdout_truncated, job.stderr
    return read(job.stdout)


def test_a_stage_that_fails_is_the_last(piston):
    stages = run(piston, ("echo 1", {}), ("echo 2; exit 5", {}), ("echo 3", {}))
    assert [(name, out, end["end"], end["code"]) for name, out, _, end in stages] == [
        ("stage0", b"1\n", "exited", "0"),
        ("stage1", b"2\n", "exited", "5"),
    ]


def test_processes_of_a_stage_end_before_the_next_but_its_files_stay(piston):
    first = "(trap '' TERM HUP; setsid sleep 1000 & echo $! >pid; sleep 1000) & until [ -s pid ]; do sleep 0.1; done; echo kept >file"
    stages = run(
        piston,
        (first, {}),
        ("cat file; ps | grep -c '[s]leep 1000'; kill -0 $(cat pid) || echo gone", {}),
    )
    assert stages[1][1] == b"kept\n0\ngone\n", stages


def test_orphans_are_reaped_while_a_stage_runs(piston):
    # More of them than there may be processes.
    loop = "i=0; while [ $i -lt 700 ]; do (true &) ; i=$((i+1)); done; echo all"
    assert run(piston, (loop, {}), timeout_ms=60000)[0][1] == b"all\n"


def test_a_stage_that_forks_without_end_is_ended_by_its_own_limit(piston):
    # A shell that cannot fork ends, so the one that has to outlive the limit forks only once.
    script = "echo go; f() { f | f & f; }; f & while :; do :; done"
    stages = run(piston, (script, {"wall": 3000}), timeout_ms=60000)
    assert stages[0][1] == b"go\n", stages
    assert stages[0][3]["end"] == "wall", stages


def test_a_stage_can_neither_write_into_the_report_nor_read_what_watches_it(piston):
    attack = "for fd in /proc/$PPID/fd/1 /proc/1/fd/3 /proc/$PPID/mem; do echo forged >$fd && echo got $fd; done; ls /proc/self/fd"
    stages = run(piston, (attack + "; echo end", {}))
    assert stages[0][1].split() == [b"0", b"1", b"2", b"3", b"end"], stages  # 3 is ls looking


def test_a_report_stays_valid_whatever_a_stage_prints(piston):
    stages = run(piston, ("head -c 3000000 /dev/zero", {}))
    assert stages[0][3]["end"] == "stdout", stages[0][3]
    assert 900_000 < len(stages[0][1]) < 1 << 20, len(stages[0][1])
    stages = run(piston, *[("head -c 300000 /dev/zero", {})] * 4)
    assert [stage[3]["end"] for stage in stages] == ["exited"] * 3 + ["stdout"], stages
    stages = run(piston, ("printf 12345678; printf 123 >&2; sleep 100", {"output": 7}))
    assert stages[0][1] == b"1234567", stages
    assert stages[0][3]["end"] == "stdout", stages


def test_a_limit_of_memory_ends_with_its_stage(piston):
    eat = ["sh", "-c", "x=$(head -c $1 /dev/zero | tr '\\0' x); echo ${#x}", "sh", "20000000"]
    stages = run(
        piston,
        ("true", {"memory": 10_000_000}),
        (eat, {}),
        (eat, {"memory": 10_000_000}),
        timeout_ms=60000,
    )
    assert stages[1][1] == b"20000000\n", stages[1]
    assert stages[2][1] != b"20000000\n" and (stages[2][3]["end"], stages[2][3]["code"]) != (
        "exited",
        "0",
    ), stages[2]


def test_limits_of_processes_files_and_descriptors_end_with_their_stage(piston):
    script = (
        "for i in 1 2 3 4 5 6; do sleep 3 & done 2>/dev/null; wait; echo forked;"
        " head -c 3000 /dev/zero >f; echo $? $(stat -c %s f); ulimit -n"
    )
    limits = {"processes": 4, "file": 1000, "open": 20}
    stages = run(piston, (f"({script}); true", limits), (f"({script}); true", {}))
    assert b"forked" not in stages[0][1], stages[0]
    assert stages[1][1] == b"forked\n0 3000\n1024\n", stages[1]
    stages = run(piston, ("head -c 3000 /dev/zero >f; echo $? $(stat -c %s f); ulimit -n", limits))
    assert stages[0][1] == b"153 1000\n20\n", stages


def test_a_missing_program_is_reported_as_a_shell_does(piston):
    stages = run(piston, (["./nothing"], {}))
    assert stages[0][3]["code"] == "127", stages
    assert b"nothing" in stages[0][2], stages


def test_every_stage_reads_standard_input_from_its_start(piston):
    words = plan(("cat", {}), ("cat", {}))
    words[2] = "in"
    job = piston.run(words, files=[("in", "text"), ("other", "")], stdin="in")
    assert [stage[1] for stage in read(job.stdout)] == [b"text", b"text"]


def test_arguments_that_are_not_a_plan_are_refused(piston):
    good = plan(("true", {}))
    for words in (
        good[:2],
        good[:3],
        good[:-1],
        good + ["more"],
        good * 2,
        good[:4] + ["x"] + good[5:],
        good[:4] + ["300001"] + good[5:],
        good[:11] + ["0"] + good[12:],
        good[:2] + ["missing"] + good[3:],
        good[:3] + good[3:] * 9,
    ):
        job = piston.run(words)
        assert job.status == "exited", words
        assert job.exit_code == 126, words
        assert job.stdout == b"", words
        assert b"pe-shim" in job.stderr, job.stderr
