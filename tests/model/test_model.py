# SPDX-License-Identifier: Apache-2.0
"""The balancer against a model, in random runs from fixed seeds (tests/README.md)."""
import os
import re
import subprocess

from fixtures.paths import BUILD

PROGRAM = os.path.join(BUILD, "fuzz/balancer_model")
RUNS, STEPS = 100, 1000


def run_model(*options):
    return subprocess.run(
        [PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_every_answer_is_right_in_random_runs():
    done = run_model("--seed", "1", "--runs", str(RUNS), "--steps", str(STEPS))
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{RUNS} runs, {RUNS * STEPS} steps" in done.stdout
    states = int(re.search(r"(\d+) different states", done.stdout)[1])
    assert states > RUNS * STEPS / 100, "the runs come to new states"


def test_requests_that_wait_for_workers_may_end_while_others_are_answered():
    """Most happens to them in the first steps of a run. Some of these runs end them in a walk."""
    runs, steps = 500, 60
    done = run_model("--seed", "1", "--runs", str(runs), "--steps", str(steps))
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{runs} runs, {runs * steps} steps" in done.stdout


def test_a_run_from_the_same_seed_is_the_same():
    first, second = (run_model("--seed", "7", "--steps", "200", "--trace") for _ in range(2))
    assert first.returncode == 0, first.stdout[-4000:]
    assert first.stdout == second.stdout
