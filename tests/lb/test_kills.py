# SPDX-License-Identifier: Apache-2.0
"""Jobs while slots and workers are killed, and a crowd of clients: smaller runs of bench/lb."""
import importlib.machinery
import importlib.util
import os

from fixtures.paths import TOP


def load_bench():
    loader = importlib.machinery.SourceFileLoader("bench_lb", os.path.join(TOP, "bench", "lb"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_lb", loader))
    loader.exec_module(module)
    return module


def test_every_job_is_answered_once_and_correctly_while_slots_and_workers_are_killed():
    result = load_bench().kills(1500, 16)
    assert result["wrong"] == []
    assert result["kills"] > 5, result
    assert result["retried"] > 0, result


def test_a_crowd_of_clients_is_answered_or_refused_and_no_descriptor_leaks():
    statuses, left = load_bench().crowd(300, 50)[:2]
    assert set(statuses) == {200, 503}, statuses
    assert sum(statuses.values()) == 300, statuses
    assert left <= 0, statuses
