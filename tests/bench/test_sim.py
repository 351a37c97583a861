# SPDX-License-Identifier: Apache-2.0
"""The simulation of a service agrees with queueing theory, and the tables of docs/scale.md are what it prints."""
import json
import subprocess

import pytest

from fixtures.paths import TOP
from pe_sim.model import Machine, Service, erlang_c

JOBS = 20000


def exponential(mean):
    return lambda rng: rng.expovariate(1 / mean)


def simple(slots, seed=1, run=exponential(1.0)):
    """M/M/c: each slot has a core of its own, and VMs cost nothing."""
    return Service([(Machine(slots), slots)], run, lambda rng: 0.0, seed)


def test_erlangs_formula_gives_known_values():
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.409, abs=0.001)
    assert erlang_c(2, 3.0) == 1.0


@pytest.mark.parametrize("slots, rate", [(1, 0.5), (4, 3.0), (16, 13.0)])
def test_jobs_wait_as_often_and_as_long_as_erlangs_formula_says(slots, rate):
    outcome = simple(slots).simulate(rate, JOBS)
    wanted = erlang_c(slots, rate)
    waited = sum(seconds > 1e-9 for seconds in outcome.queued) / JOBS
    assert waited == pytest.approx(wanted, rel=0.1)
    assert sum(outcome.queued) / JOBS == pytest.approx(wanted / (slots - rate), rel=0.2)
    assert outcome.busy == pytest.approx(rate / slots, rel=0.05)


def test_littles_law_holds_with_shared_cores_and_vms_that_are_made():
    machines = [(Machine(2), 4), (Machine(4), 4)]
    service = Service(machines, exponential(0.5), exponential(0.2), 2)
    outcome = service.simulate(5.0, JOBS)
    inside = outcome.area / outcome.seconds
    rate = JOBS / outcome.seconds
    assert len(outcome.latencies) == JOBS
    assert inside == pytest.approx(rate * sum(outcome.latencies) / JOBS, rel=1e-6)


def test_work_is_neither_lost_nor_made_when_cores_are_shared():
    outcome = Service([(Machine(2), 8)], lambda rng: 1.0, lambda rng: 0.5, 3).simulate(1.0, 1000)
    assert outcome.busy * 2 * outcome.seconds == pytest.approx(1000 * 1.5, rel=0.002)


def test_the_same_seed_gives_the_same_run():
    assert simple(4).simulate(3.0, 500).latencies == simple(4).simulate(3.0, 500).latencies
    assert simple(4).simulate(3.0, 500).latencies != simple(4, seed=2).simulate(3.0, 500).latencies


def test_no_table_of_the_page_was_changed_by_hand(tmp_path):
    sim = f"{TOP}/bench/sim"
    subprocess.run([sim, "tables", "--check"], check=True)
    page = tmp_path / "page.md"
    with open(f"{TOP}/docs/scale.md", encoding="utf-8") as file:
        text = file.read()
    page.write_text(text.replace("| CPU of a host |", "| CPU of the host |"))
    done = subprocess.run([sim, "tables", "--check", page], capture_output=True, text=True)
    assert done.returncode == 1 and "run bench/sim tables" in done.stderr
    subprocess.run([sim, "tables", page], check=True)
    assert page.read_text() == text


def test_a_time_that_was_not_measured_is_not_invented():
    sim = [f"{TOP}/bench/sim", "hosts", "--engine", "nothing+boot"]
    done = subprocess.run(sim, capture_output=True, text=True)
    assert done.returncode == 1 and "was not measured; run bench/sim measure" in done.stderr


def test_a_measurement_is_complete_and_can_be_compared_with_the_simulation(tmp_path):
    times = str(tmp_path / "times.json")
    run = ["bench/sim", "measure", "--rounds", "1", "--rate", "1", "--seconds", "2", "--output", times]
    done = subprocess.run(run, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open(times, encoding="utf-8") as file:
        assert json.load(file)["state"] == "complete"
    done = subprocess.run(["bench/sim", "check", "--times", times], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "| 1/s | job |" in done.stdout, done.stdout + done.stderr
