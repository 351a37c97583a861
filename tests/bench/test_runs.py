# SPDX-License-Identifier: Apache-2.0
"""Runs and their files: the schema, steps, interruption, and going on."""
import argparse
import json

import jsonschema
import pytest

from pe_bench import progress, results
from pe_bench import run as run_module
from pe_bench.errors import BenchError
from pe_bench.main import continue_command, parse
from pe_bench.run import Run, what_counts


@pytest.fixture(name="begin")
def fixture_begin(tmp_path):
    """A function that begins a run with the file of the test."""

    def begin(resume=False, seed=7, argv=("sleep", "3"), quick=False):
        options = argparse.Namespace(
            command="sleep",
            output=str(tmp_path / "run.json"),
            resume=resume,
            quick=quick,
            seed=seed,
        )
        return Run(options, list(argv))

    return begin


def read(run):
    with open(run.path, encoding="utf-8") as file:
        data = json.load(file)
    jsonschema.validate(data, results.schema())
    return data


def do_step(run, name, *values):
    with run.step(name):
        for value in values:
            run.add("time", "ms", value, engine="uml")


def interrupt(run, name, value):
    with pytest.raises(KeyboardInterrupt), run.step(name):
        run.add("time", "ms", value, engine="uml")
        raise KeyboardInterrupt
    run.save("interrupted")


def test_the_schema_is_a_valid_schema_and_a_new_file_fits_it(begin):
    jsonschema.Draft202012Validator.check_schema(results.schema())
    run = begin()
    assert run.todo(["one"]) == ["one"]
    data = read(run)
    assert (
        data["state"] == "running"
        and data["machine"]["cores"] >= 1
        and data["machine"]["memory_mib"] > 0
    )


def test_the_file_is_written_after_each_step(begin):
    run = begin()
    run.todo(["one", "two"])
    do_step(run, "one", 1, 2)
    data = read(run)
    assert [step["name"] for step in data["steps"]] == ["one"]
    assert data["series"][0]["samples"] == [1, 2] and data["series"][0]["better"] == "lower"


def test_a_trial_does_the_first_step_and_those_for_which_it_has_time(begin, monkeypatch):
    run = begin(quick=True)
    assert run.data["quick"] is True
    assert list(run.todo(["one", "two", "three"])) == ["one", "two", "three"]
    monkeypatch.setattr(run_module, "QUICK_S", 0)
    assert list(run.todo(["one", "two", "three"])) == ["one"]


def test_what_an_interrupted_step_has_measured_is_kept_and_marked(begin):
    run = begin()
    run.todo(["one", "two"])
    do_step(run, "one", 1)
    interrupt(run, "two", 2)
    data = read(run)
    assert data["state"] == "interrupted" and len(data["steps"]) == 1
    assert [(one["samples"], one.get("partial")) for one in data["series"]] == [
        ([1], None),
        ([2], True),
    ]


def test_a_run_goes_on_where_it_was_interrupted(begin):
    run = begin()
    run.todo(["one", "two"])
    do_step(run, "one", 1)
    interrupt(run, "two", 2)
    again = begin(resume=True, seed=None)
    assert again.todo(["one", "two"]) == ["two"] and again.seed == 7
    do_step(again, "two", 3)
    again.save("complete")
    data = read(again)
    assert [one["samples"] for one in data["series"]] == [[1, 3]]
    assert [step["name"] for step in data["steps"]] == ["one", "two"] and data[
        "state"
    ] == "complete"


def test_a_file_is_neither_overwritten_nor_continued_by_another_measurement(begin):
    run = begin()
    run.todo(["one"])
    with pytest.raises(BenchError, match="--resume continues it"):
        begin()
    with pytest.raises(BenchError, match="it is of `pe-bench sleep 3`"):
        begin(resume=True, argv=("sleep", "4"))
    with pytest.raises(BenchError, match="its seed is 7"):
        begin(resume=True, seed=8)


def test_a_run_is_not_continued_on_another_machine(begin):
    run = begin()
    run.todo(["one"])
    data = read(run)
    data["machine"]["kernel"] = "1.2.3"
    results.write(run.path, data)
    with pytest.raises(BenchError, match="kernel is 1.2.3"):
        begin(resume=True)


def test_options_that_may_differ_do_not_count():
    assert what_counts(["task", "--output", "a", "--seed=3", "--resume", "--cpus", "1"]) == [
        "task",
        "--cpus",
        "1",
    ]
    assert what_counts(["task", "--", "echo", "--resume"]) == ["task", "--", "echo", "--resume"]


def test_what_stands_after_two_dashes_is_the_command_of_the_job():
    options = parse(
        ["parallel", "3", "--rounds", "2", "--output", "x", "--", "sh", "-c", "a --quick"]
    )
    assert (options.vms, options.rounds, options.quick) == (3, 2, False)
    assert options.cmd == ["sh", "-c", "a --quick"]
    assert parse(["task", "--output", "x"]).cmd == []


def test_the_command_that_continues_a_run_is_told(begin):
    run = begin()
    assert continue_command(run, ["task", "--seed", "3", "--cpus", "2", "--", "a", "--output"]) == (
        f"bench/pe-bench task --resume --output {run.path} --cpus 2 -- a --output"
    )


def test_a_figure_that_is_computed_at_the_end_is_computed_again_when_the_run_goes_on(begin):
    run = begin()
    run.todo(["one"])
    run.set("ratio", "times", 2, way="crun")
    run.save("complete")
    again = begin(resume=True)
    again.todo(["one", "two"])
    again.set("ratio", "times", 3, way="crun")
    again.save("complete")
    assert read(again)["series"][0]["samples"] == [3]


def test_failures_and_what_cannot_be_measured_have_reasons(begin):
    run = begin()
    run.todo(["one"])
    with run.step("one"):
        run.fail("time", "ms", "timeout", engine="uml")
        run.fail("time", "ms", "timeout", engine="uml")
        run.not_available("time", "ms", "there is no /dev/kvm", engine="kvm")
    first, second = read(run)["series"]
    assert first["failures"] == [{"reason": "timeout", "count": 2}] and first["samples"] == []
    assert second["n/a"] == "there is no /dev/kvm"


def test_the_order_depends_on_the_seed_and_the_step_only(begin):
    run = begin()
    run.todo(["one", "two"])
    with run.step("one"):
        first = run.shuffled(range(20))
        assert run.shuffled(range(20)) == first != list(range(20))
    with run.step("two"):
        assert run.shuffled(range(20)) != first
    again = begin(resume=True)
    again.todo(["one"])
    with again.step("one"):
        assert again.shuffled(range(20)) == first


def test_a_file_with_an_unknown_member_is_refused(begin):
    run = begin()
    run.todo(["one"])
    data = read(run)
    with open(run.path, "w", encoding="utf-8") as file:
        json.dump({**data, "colour": "red"}, file)
    with pytest.raises(BenchError, match="colour"):
        results.read(run.path)


def test_the_time_left_follows_from_what_the_steps_took_and_from_their_weights():
    told = progress.Progress(stream=open("/dev/null", "w", encoding="ascii"))
    told.plan({"one": 1, "two": 2, "four": 4})
    assert told.seconds_left() is None
    told.end("one", 10)
    assert told.seconds_left() == 60
    told.end("two", 26)
    assert told.seconds_left() == 48
