# SPDX-License-Identifier: Apache-2.0
"""pe-bench density: when the search for the number of VMs ends, with stand-ins for VMs and for times of jobs."""
import argparse
import contextlib
import itertools

import pytest

from fixtures.pe_bench import series_of
from pe_bench import results
from pe_bench.commands import density

MIB_OF_A_VM = 10
ALONE = [100, 101, 102, 103, 104, 105, 106, 107]


class CrowdStandIn:
    """Warm VMs, of which there is only the number."""

    def __init__(self, vms):
        self.vms, self.tasks = vms, []

    def add(self, count):
        self.tasks += ["a VM"] * count

    def pids(self):
        return self.tasks

    def pids_of_each(self, first=0):
        return [[task] for task in self.tasks[first:]]

    def close(self):
        self.tasks.clear()


def memory_of(pids):
    """A quarter of it is private."""
    return {"pss": MIB_OF_A_VM * len(pids), "private": MIB_OF_A_VM * len(pids) / 4}


class VmsStandIn:
    def __init__(self, run, engine):
        self.engine, self.options, self.labels = engine, run.options, {"engine": engine}


class RunStandIn:
    """What density needs of a run."""

    def __init__(self, options):
        self.options, self.quick, self.cleanup = options, False, contextlib.ExitStack()
        self.series = results.SeriesSet()

    def add(self, name, unit, value, **labels):
        self.series.get(name, unit, labels)["samples"].append(value)


def times(factor):
    return [time * factor for time in ALONE]


@pytest.fixture(name="search")
def fixture_search(monkeypatch):
    """A function that searches to the end. `sets` are the times of the jobs, one set after the other."""
    monkeypatch.setattr(density, "Vms", VmsStandIn)
    monkeypatch.setattr(density, "Crowd", CrowdStandIn)
    monkeypatch.setattr(density, "memory_of", memory_of)

    def search(sets, slower="10%", limit=10000, alone=ALONE):
        names = {"engine": "uml+boot", "image": "busybox:1.35", "slower": slower, "most": 50, "batch": 10}
        options = argparse.Namespace(**names, memory_limit=limit, jobs=8, idle=0)
        found = density.Density(RunStandIn(options))
        found.alone = list(alone)
        left = iter(sets)
        found.time_jobs = lambda: next(left)
        while not found.end:
            found.step()
        return found

    return search


def test_the_search_ends_when_jobs_have_become_10_percent_slower(search):
    found = search([times(1), times(1.05), times(1.2), times(1.2)])
    assert found.end == "jobs had become 20 % slower"
    assert found.fitting == 20
    assert "20 warm VMs of uml+boot for busybox:1.35 fit on this machine" in found.answer()
    assert "jobs beside them took 20 % more time than alone" in found.answer()


def test_jobs_that_are_slower_only_for_a_moment_do_not_end_the_search(search):
    slow_once = [times(1), times(1.5), times(1), times(1), times(1), times(1)]
    assert search(slow_once).end == "no more were to be tried"


def test_jobs_that_are_slower_by_less_than_the_limit_do_not_end_the_search(search):
    assert search(itertools.repeat(times(1.09))).end == "no more were to be tried"
    found = search(itertools.repeat(times(1.09)), slower="5%")
    assert (found.end, found.fitting) == ("jobs had become 9 % slower", 0)


def test_too_few_jobs_never_end_the_search(search):
    found = search(itertools.repeat([200, 210, 220]), alone=ALONE[:3])
    assert found.end == "no more were to be tried" and found.fitting == 50
    assert "of too few jobs to tell whether they are slower" in found.answer()


def test_the_search_ends_when_the_memory_is_used_up(search):
    found = search(itertools.repeat(times(1)), limit=255)
    assert found.end == "the memory of 255 MiB was used up"
    assert found.fitting == 25


def test_the_memory_of_each_new_vm_is_a_sample_of_its_step(search):
    found = search(itertools.repeat(times(1)), limit=255)
    steps = {"series": found.run.series.items}
    for vms, new in (10, 10), (20, 10), (25, 5), (26, 1):
        assert series_of(steps, "PSS of each new VM", vms=str(vms))["samples"] == [10] * new
        assert series_of(steps, "shared part of each new VM", vms=str(vms))["samples"] == [7.5] * new
        assert series_of(steps, "private part of each new VM", vms=str(vms))["samples"] == [2.5] * new


def test_there_are_at_most_1000_samples_of_all_idle_vms_and_they_are_of_all_steps(search):
    found = search(itertools.repeat(times(1)))
    found.crowd.add(2450)
    found.measure_idle()
    for name in "PSS", "shared part", "private part", "CPU":
        samples = series_of({"series": found.run.series.items}, f"{name} of each idle VM")["samples"]
        assert len(samples) == 834, name  # every third of 2500
    assert density.spread(list(range(2500)))[-1] == 2499
    assert density.spread(list(range(1000))) == list(range(1000)) and density.spread([]) == []
