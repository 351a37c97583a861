# SPDX-License-Identifier: Apache-2.0
"""A whole run of pe-bench regress: this commit and one that answers each job a second later are built and measured."""
import os
import shutil
import subprocess
import tempfile

import pytest

from fixtures import engine
from fixtures.paths import TOP
from fixtures.whole_run import whole_run
from pe_bench import commits
from pe_bench.commands import regress

FILE = "worker/job_run.c"
FUNCTION = "int job_run(struct job_run *run, struct pe_error *err)\n{\n"
SLEEP = "    usleep(1000000);\n"
AUTHOR = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(*arguments, **options):
    command = ["git", "-C", TOP, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout.strip()


@pytest.fixture(name="commits_in", scope="module")
def fixture_commits_in():
    """(environment, hash) of a commit behind HEAD that makes each job a second slower. Only the environment's folder
    has it, and not the repository."""
    with tempfile.TemporaryDirectory(prefix="pe-test-") as folder:
        os.mkdir(f"{folder}/objects")
        objects = os.path.join(TOP, git("rev-parse", "--git-path", "objects"))
        place = {"GIT_OBJECT_DIRECTORY": f"{folder}/objects", "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}
        env = {**os.environ, **place, **AUTHOR, "GIT_INDEX_FILE": f"{folder}/index"}
        text = subprocess.check_output(["git", "-C", TOP, "show", f"HEAD:{FILE}"], text=True)
        assert text.count(FUNCTION) == 1
        slower = "#include <unistd.h>\n" + text.replace(FUNCTION, FUNCTION + SLEEP)
        git("read-tree", "HEAD", env=env)
        blob = git("hash-object", "-w", "--stdin", input=slower, env=env)
        git("update-index", "--cacheinfo", f"100644,{blob},{FILE}", env=env)
        yield place, git("commit-tree", "-p", "HEAD", "-m", "slower", git("write-tree", env=env), env=env)


@pytest.fixture(name="builds", scope="module", autouse=True)
def fixture_builds(commits_in):
    """Builds that were there before are used, and stay. Those that the tests make are removed."""
    folders = [f"{commits.FOLDER}/{commit[:12]}" for commit in (git("rev-parse", "HEAD"), commits_in[1])]
    new = [folder for folder in folders if not os.path.exists(folder)]
    yield
    for folder in new:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="run", scope="module")
def fixture_run(no_process_is_left, commits_in):
    environment, slower = commits_in
    options = ("--rounds", "5", "--engine", engine.NAME, "--fail-if-slower", "50%", "--seed", "1")
    with whole_run("regress", "HEAD", slower, *options, status=1, environment=environment) as run:
        yield run


def medians(run, commit):
    found = {}
    for one in run.series(regress.JOB):
        assert (len(one["samples"]), one["failures"], one["n/a"]) == (5, [], None), one
        if one["labels"]["commit"].startswith(commit):
            found[one["labels"]["job"]] = sorted(one["samples"])[2]
    return found


def test_a_commit_that_makes_jobs_a_second_slower_fails_the_run_and_is_named(run, commits_in):
    assert run.data["state"] == "complete" and len(run.data["steps"]) == 5
    before, after = medians(run, "HEAD ("), medians(run, commits_in[1])
    assert set(before) == set(after) == {"echo hi", "gcc hello"}
    for job, ms in before.items():
        assert after[job] >= 1000 and after[job] > ms
    assert "job in a warm VM (echo hi) changed by +" in run.data["answer"]


def test_the_making_of_the_vms_is_measured_with_each_commit(run):
    made = run.series(regress.MADE)
    assert len(made) == 4 and all(one["samples"] and min(one["samples"]) > 0 for one in made)


def test_the_tables_have_both_commits(run, commits_in):
    shown = run.shown()
    table = run.table(f'series="{regress.JOB}" rows=job columns=commit figure=p50')
    for commit in git("rev-parse", "HEAD"), commits_in[1]:
        assert commit[:12] in shown and commit[:12] in table
    assert "| echo hi | " in table and "| gcc hello | " in table


def test_nothing_is_left_of_the_run(run):
    assert run.left() == []


def test_a_trial_in_the_other_direction_does_not_fail(run, commits_in):
    """With the builds that are there now. It is --quick, so there are too few samples for a verdict."""
    environment, slower = commits_in
    options = ("--quick", "--engine", engine.NAME, "--fail-if-slower", "50%")
    with whole_run("regress", slower, "HEAD", *options, environment=environment) as trial:
        assert trial.data["quick"] and trial.data["state"] == "complete"
        assert all(one["samples"] for one in trial.series(regress.JOB))
        assert trial.left() == []
