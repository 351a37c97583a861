# SPDX-License-Identifier: Apache-2.0
"""Jobs while slots and workers are killed, and a crowd of clients: smaller runs of bench/lb."""
from fixtures.pe_bench import load_program


def test_every_job_is_answered_once_and_correctly_while_slots_and_workers_are_killed():
    result = load_program("lb").kills(1500, 16)
    assert result["wrong"] == []
    assert result["right"] > 1400, result
    assert result["kills"] > 5, result
    assert result["retried"] > 0, result


def test_a_crowd_of_clients_is_answered_or_refused_and_no_descriptor_leaks():
    statuses, left = load_program("lb").crowd(300, 50)[:2]
    assert set(statuses) == {200, 503}, statuses
    assert sum(statuses.values()) == 300, statuses
    assert left <= 0, statuses
