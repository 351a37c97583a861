# SPDX-License-Identifier: Apache-2.0
"""pe-bench regress: one side of it, what it says about two commits, and its interruption."""
import json
import os
import signal
import subprocess
import sys

import pytest

from fixtures import engine, processes
from fixtures.paths import HOME, TOP
from fixtures.waiting import eventually
from pe_bench import comparison, results
from pe_bench.commands import regress
from pe_bench.commands.show import judge
from pe_bench.errors import BenchError

BASE = [100, 101, 102, 103, 104, 105, 106, 107]

# pe-bench where every commit has the build of these tests, and there is only the job of busybox.
PE_BENCH = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from pe_bench import commits, main
from pe_bench.commands import regress
commits.resolve = lambda name: name[0] * 40
commits.make = lambda commit, tell: os.environ["PE_HOME"]
del regress.JOBS["gcc:14"]
sys.exit(main.main(sys.argv[3:]))
"""


def compared(base, head):
    """A comparison of two commits in which each job took these times. The head comes first, as it may in a run."""
    series = results.SeriesSet()
    for commit, times in ("head", head), ("base", base):
        series.get(regress.JOB, "ms", {"commit": commit, "job": "echo hi"})["samples"] += times
    return comparison.by_label([("file", {"series": series.items})], "commit", first="base")


def test_a_job_that_has_become_slower_is_named_and_fails_the_run():
    both = compared(BASE, [time * 1.3 for time in BASE])
    text = regress.sentence(both, {"base": "a" * 40, "head": "b" * 40})
    assert "job in a warm VM (echo hi) changed by +30.0 %" in text
    assert judge(both, "10%") == 1
    assert judge(both, "50%") == 0


def test_a_difference_that_can_be_chance_does_not_fail_the_run():
    both = compared([100, 200], [150, 260])
    assert "no significant difference" in regress.sentence(both, {"base": "a" * 40, "head": "b" * 40})
    assert judge(both, "10%") == 0


def test_a_job_that_has_become_faster_does_not_fail_the_run():
    assert judge(compared([time * 1.3 for time in BASE], BASE), "10%") == 0


def test_a_run_is_not_continued_with_other_commits():
    measured = [{"labels": {"commit": "HEAD (aaaaaaaaaaaa)"}}]
    regress.check_commits(measured, {"HEAD": "a" * 40, "base": "b" * 40})
    with pytest.raises(BenchError, match="it has measured HEAD \\(aaaaaaaaaaaa\\)"):
        regress.check_commits(measured, {"HEAD": "c" * 40, "base": "b" * 40})


def test_a_side_runs_jobs_of_its_build_in_warm_vms():
    side = regress.Side(HOME, "busybox:1.35", engine.NAME)
    try:
        assert side.answer() == {"ready": True}
        for _ in range(2):
            answer = side.run()
            assert answer["ms"] > 0 and answer["made_ms"] > 0
    finally:
        side.close()


def test_a_side_that_is_ended_while_it_starts_ends_its_service():
    side = regress.Side(HOME, "busybox:1.35", engine.NAME)
    eventually(lambda: processes.descendants(side.process.pid), "it starts its service")
    below = processes.descendants(side.process.pid)
    side.close()
    assert side.process.returncode in (0, 1)  # and not by SIGKILL
    processes.wait_until_gone(below, "the service")


def test_a_side_that_cannot_start_says_why():
    side = regress.Side(HOME, "busybox:1.35", "no+such+engine")
    with pytest.raises(BenchError, match="no such engine|no\\+such\\+engine"):
        side.answer()


def test_an_interruption_keeps_the_rounds_that_are_done_and_ends_both_services(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PE_HOME", HOME)
    file = tmp_path / "regress.json"
    argv = [sys.executable, "-B", "-c", PE_BENCH, f"{TOP}/bench", f"{TOP}/tests"]
    argv += ["regress", "base", "head", "--engine", engine.NAME, "--output", str(file)]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(argv, **streams, start_new_session=True)
    eventually(lambda: file.exists() and json.loads(file.read_text())["steps"], "the first round is done")
    below = processes.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert running.returncode == 130 and "continue with: bench/pe-bench regress --resume" in errors
    processes.wait_until_gone(below, "both services")
    data = json.loads(file.read_text())
    assert data["state"] == "interrupted" and data["steps"][0]["name"] == "round 1"
    for commit in "base (bbbbbbbbbbbb)", "head (hhhhhhhhhhhh)":
        done = [one for one in data["series"] if one["labels"]["commit"] == commit and not one.get("partial")]
        assert {one["name"] for one in done} == {regress.JOB, regress.MADE}
        assert all(one["samples"] for one in done)
    assert os.listdir(tmp_path) == ["regress.json"]
