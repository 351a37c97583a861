# SPDX-License-Identifier: Apache-2.0
"""The measurements of VMs, on a small scale: that they work, and that their files have what they
say."""
import json
import random
import signal
from types import SimpleNamespace

import jsonschema
import pytest

from fixtures import engine, processes
from fixtures.pe_bench import pe_bench, series_of, start_pe_bench
from fixtures.waiting import eventually
from pe_bench import results
from pe_bench.commands import image_memory, scaling


@pytest.fixture(name="file")
def fixture_file(tmp_path):
    return tmp_path / "result.json"


def read(file):
    data = json.loads(file.read_text())
    jsonschema.validate(data, results.schema())
    return data


def test_a_task_reports_the_phases_of_host_and_guest(file):
    pe_bench("task", "--engine", engine.NAME, "--rounds", "2", "--output", file, "--", "echo", "hi")
    data = read(file)
    phases = {one["name"]: one for one in data["series"]}
    assert data["state"] == "complete" and data["seed"] >= 0
    for name in (
        "vmm_start",
        "ready",
        "input",
        "go",
        "done",
        "exit",
        "job",
        "total",
        "guest exec",
        "guest program",
    ):
        assert len(phases[name]["samples"]) == 2 and min(phases[name]["samples"]) >= 0, name
    for total, job, ready in zip(*(phases[name]["samples"] for name in ("total", "job", "ready"))):
        assert total == pytest.approx(job + ready, abs=0.01)
    assert {one["labels"]["engine"] for one in data["series"]} == {engine.NAME}


def test_a_phase_that_the_engine_does_not_have_is_na_with_the_reason(file):
    pe_bench("task", "--engine", "uml+boot", "--rounds", "1", "--cold", "--output", file)
    restore = series_of(read(file), "restore")
    assert restore["samples"] == [] and restore["n/a"] == "the VM boots and restores no snapshot"


def test_an_engine_that_does_not_work_here_is_na_and_the_others_are_measured(file):
    engines = ("--engine", "no-such-engine", "--engine", "uml+boot")
    pe_bench("task", *engines, "--rounds", "1", "--cold", "--output", file)
    data = read(file)
    assert "no-such-engine" in series_of(data, "total", engine="no-such-engine")["n/a"]
    assert len(series_of(data, "total", engine="uml+boot")["samples"]) == 1


def test_a_run_that_fails_before_it_measures_anything_leaves_no_file(file):
    _, errors = pe_bench("parallel", "2", "--engine", "no-such-engine", "--output", file, status=1)
    assert "no-such-engine" in errors and not file.exists()


def test_jobs_that_exceed_their_time_are_reported(file):
    options = ("--engine", engine.NAME, "--rounds", "1", "--timeout", "300", "--output", file)
    pe_bench("task", *options, "--", "sleep", "60")
    assert series_of(read(file), "total")["failures"] == [{"reason": "timeout", "count": 1}]


def test_vms_at_once_have_their_throughput_memory_cpu_time_and_load(file):
    pe_bench("parallel", "2", "--engine", engine.NAME, "--quick", "--output", file)
    data = read(file)
    assert data["quick"] and len(data["steps"]) == 1
    assert len(series_of(data, "total", vms="2")["samples"]) == 2
    for name in "VMs made", "jobs", "PSS of a VM", "memory of a VM alone", "CPU":
        assert series_of(data, name, vms="2")["samples"][0] > 0, name
    assert series_of(data, "load of the host", vms="2")["samples"][0] >= 0


def test_a_step_of_scaling_for_which_the_memory_is_too_little_is_not_begun(monkeypatch):
    measured = SimpleNamespace(all_series=lambda: [{"name": "PSS of a VM", "samples": [20, 30]}])
    monkeypatch.setattr(scaling, "available_mib", lambda: 1000 + scaling.MEMORY_LEFT_MIB)
    assert scaling.fits(measured, 40) and not scaling.fits(measured, 41)
    assert scaling.fits(SimpleNamespace(all_series=list), 41) is None


def test_scaling_measures_each_number_of_vms(file):
    options = ("--max", "3", "--cooldown", "0", "--engine", engine.NAME, "--output", file)
    pe_bench("scaling", *options)
    data = read(file)
    assert [step["name"] for step in data["steps"]] == ["1 VMs", "2 VMs", "3 VMs"]
    for vms in 1, 2, 3:
        assert len(series_of(data, "total", vms=str(vms))["samples"]) == vms
        assert series_of(data, "jobs", vms=str(vms))["samples"][0] > 0
        assert series_of(data, "PSS of a VM", vms=str(vms))["samples"][0] > 1
    assert "does the most jobs" in data["answer"]


def test_an_interrupted_run_keeps_what_it_measured_leaves_nothing_and_goes_on(file):
    options = (
        "scaling",
        "--max",
        "2",
        "--cooldown",
        "0",
        "--engine",
        engine.NAME,
        "--output",
        str(file),
    )
    job = ("--", "sleep", "8")  # longer than this test is held up between two steps
    running = start_pe_bench(*options, *job)
    eventually(lambda: file.exists() and read(file)["steps"], "the first step is done")
    below = processes.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130
    processes.wait_until_gone(below, "the VMs of pe-bench")
    data = read(file)
    assert data["state"] == "interrupted" and [step["name"] for step in data["steps"]] == ["1 VMs"]
    first = series_of(data, "total", vms="1")["samples"]
    pe_bench(options[0], "--resume", *options[1:], *job)
    data = read(file)
    assert data["state"] == "complete" and [step["name"] for step in data["steps"]] == [
        "1 VMs",
        "2 VMs",
    ]
    assert series_of(data, "total", vms="1")["samples"] == first
    assert len(series_of(data, "total", vms="2")["samples"]) == 2


def test_density_ends_with_a_sentence_about_how_many_vms_fit(file):
    options = (
        "--most",
        "2",
        "--batch",
        "1",
        "--jobs",
        "2",
        "--idle",
        "0.5",
        "--engine",
        engine.NAME,
    )
    pe_bench("density", *options, "--output", file)
    data = read(file)
    assert "warm VMs of" in data["answer"] and "where the goal is 200" in data["answer"]
    assert "time than alone, of too few jobs to tell whether they are slower" in data["answer"]
    assert series_of(data, "PSS of an idle VM")["samples"][0] > 1
    assert series_of(data, "CPU of an idle VM")["samples"][0] >= 0
    assert len(series_of(data, "job", vms="0")["samples"]) == 2


def test_density_has_the_memory_of_each_vm_and_its_shared_part(file):
    options = ("--most", "3", "--batch", "2", "--jobs", "1", "--idle", "0.5", "--engine", engine.NAME)
    pe_bench("density", *options, "--output", file)
    data = read(file)
    for labels, vms in (("new", {"vms": "2"}), 2), (("new", {"vms": "3"}), 1), (("idle", {}), 3):
        which, more = labels
        pss, shared, private = (
            series_of(data, f"{name} of each {which} VM", **more)["samples"]
            for name in ("PSS", "shared part", "private part")
        )
        assert len(pss) == len(shared) == len(private) == vms
        assert pss == pytest.approx([sum(parts) for parts in zip(shared, private)], abs=0.01)
        assert min(shared) > 0 and min(private) > 0
    average = series_of(data, "PSS of an idle VM")["samples"][0]
    each = series_of(data, "PSS of each idle VM")["samples"]
    assert min(each) * 0.5 < average < max(each) * 1.5
    assert len(series_of(data, "CPU of each idle VM")["samples"]) == 3
    shown = " ".join(pe_bench("show", file)[0].split())
    assert "PSS of each idle VM [MiB]" in shown and "CPU of each idle VM [% of a core]" in shown


def test_density_does_not_exceed_its_memory(file):
    options = (
        "--memory-limit",
        "60",
        "--batch",
        "5",
        "--jobs",
        "1",
        "--idle",
        "0.1",
        "--engine",
        engine.NAME,
    )
    pe_bench("density", *options, "--output", file)
    data = read(file)
    assert "the memory of 60 MiB was used up" in data["answer"]


def test_a_boot_is_measured_cold_and_warm(file):
    pe_bench("boot", "--engine", "uml+boot", "--rounds", "1", "--output", file)
    data = read(file)
    for vm in "cold", "warm":
        assert series_of(data, "ready", vm=vm)["samples"][0] > 0
        assert series_of(data, "CPU time until ready", vm=vm)["samples"][0] > 0


def test_a_job_through_a_service_is_measured_from_outside_and_by_step(file):
    options = ("--engine", engine.NAME, "--rounds", "1", "--job", "echo", "--output", file)
    pe_bench("service", *options)
    data = read(file)
    post, outside = (
        series_of(data, "post", job="echo hi")["samples"],
        series_of(data, "outside")["samples"],
    )
    in_guest = sum(
        series_of(data, step)["samples"][0] for step in ("go", "exec", "program", "output")
    )
    assert outside[0] == pytest.approx(post[0] - in_guest, abs=0.01)
    assert data["answer"].startswith("A client waits for echo hi")


def test_the_memory_of_an_import_is_that_of_pe_image_alone():
    assert 1 < image_memory.peak_mib(3, 1000, random.Random(1)) < 200
