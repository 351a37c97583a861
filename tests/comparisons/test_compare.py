# SPDX-License-Identifier: Apache-2.0
"""A whole run of pe-bench compare: each job by every way that this machine has."""
import os

import pytest

from fixtures.whole_run import whole_run
from pe_bench import host_ways
from pe_bench.commands import compare

# What every machine has on which the tests run.
ALWAYS = {
    "native",
    "crun",
    "podman",
    "QEMU, a boot for each job",
    "QEMU, a clone for each job",
    "User Mode Linux, a boot for each job",
    "pe-run, warm VM",
    "pe-run, stored result",
}
SOMEWHERE = {"runsc", "cloud-hypervisor, a boot for each job", "cloud-hypervisor, a clone for each job"}


@pytest.fixture(name="run", scope="module")
def fixture_run(no_process_is_left):
    with whole_run("compare", "--quick", "--seed", "1") as run:
        yield run


def of_ways(run):
    """The series of each way, by job."""
    found = {}
    for one in run.series(compare.NAME):
        found.setdefault(one["labels"]["way"], {})[one["labels"]["job"]] = one
    return found


def test_every_way_that_each_machine_has_ran_each_job_in_each_round(run):
    assert run.data["state"] == "complete" and run.data["quick"]
    ways = of_ways(run)
    for way in ALWAYS:
        for job in "gcc --version", "gcc hello":
            one = ways[way][job]
            assert (len(one["samples"]), one["failures"], one["n/a"]) == (compare.QUICK_ROUNDS, [], None), one
            assert min(one["samples"]) > 0


def test_a_way_that_only_some_machines_have_has_figures_or_the_reason_why_there_are_none(run):
    ways = of_ways(run)
    assert set(ways) == ALWAYS | SOMEWHERE
    for way in SOMEWHERE:
        for one in ways[way].values():
            assert bool(one["samples"]) != bool(one["n/a"]), one
            assert one["failures"] == []
    runsc_is_here = host_ways.Runsc("").missing() is None
    assert all(bool(one["samples"]) == runsc_is_here for one in ways["runsc"].values())
    if not os.path.exists("/dev/kvm"):
        assert all(one["n/a"] for way in SOMEWHERE - {"runsc"} for one in ways[way].values())


def test_the_answer_and_the_tables_have_every_way(run):
    assert run.data["answer"].startswith("pe-run with a warm VM takes, compared with the program itself, for gcc")
    shown = run.shown()
    table = run.table('series="start to end" rows=way columns=job figure=p50/p99')
    for way in ALWAYS:
        assert f"[ms] way={way} job=gcc hello" in shown
        assert f"| {way} | " in table
    lacking = {way for way, jobs in of_ways(run).items() if jobs["gcc hello"]["n/a"]}
    for way in lacking:
        assert f"way={way} job=gcc hello: n/a: " in shown
        assert f"| {way} | n/a (" in table


def test_nothing_is_left_of_the_run(run):
    assert run.left() == []
