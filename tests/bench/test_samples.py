# SPDX-License-Identifier: Apache-2.0
"""Percentiles, spread, and the test of significance, on known samples."""
import pytest

from pe_bench import samples
from pe_bench.commands.density import parse_share
from pe_bench.commands.scaling import counts
from pe_bench.errors import BenchError
from pe_bench.progress import duration_text


def test_percentiles_are_interpolated_between_samples():
    values = [10, 20, 30, 40, 50]
    assert samples.percentile(values, 50) == 30
    assert samples.percentile(values, 0) == 10
    assert samples.percentile(values, 100) == 50
    assert samples.percentile(values, 95) == pytest.approx(48)
    assert samples.percentile([7], 99) == 7
    assert samples.percentile([], 50) is None


def test_the_order_of_samples_does_not_matter():
    assert samples.percentile([50, 10, 30], 50) == 30
    assert samples.quartile_distance([4, 1, 3, 2, 5]) == 2


def test_one_sample_has_no_deviation():
    assert samples.deviation([1]) is None
    assert samples.deviation([1, 3]) == pytest.approx(1.4142, abs=1e-4)


def test_the_chance_of_a_difference_is_that_of_the_mann_whitney_test():
    # Two sets of four without overlap: 2 of the 70 ways to divide eight ranks.
    assert samples.chance([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert samples.chance([1, 2, 3, 4], [1, 2, 3, 4]) > 0.9
    assert samples.chance([5, 5, 5], [5, 5]) == 1.0
    assert samples.chance([], [1]) is None


def test_three_samples_are_too_few_for_a_significant_difference():
    assert samples.chance([1, 1.1, 1.2], [9, 9.1, 9.2]) == pytest.approx(0.1)
    assert samples.chance([1, 1, 1], [9, 9, 9]) == pytest.approx(0.1)


def test_a_change_is_that_of_the_medians():
    assert samples.change([100, 100, 1000], [110, 110, 0]) == pytest.approx(0.1)
    assert samples.change([0, 0], [1]) is None
    assert samples.change([], [1]) is None


def test_the_numbers_of_vms_grow_to_the_most():
    assert counts(64) == [1, 2, 4, 8, 16, 32, 64]
    assert counts(5) == [1, 2, 4, 5]
    assert counts(1) == [1]
    assert counts(20, 8) == [1, 8, 16, 20]
    assert counts(3, 1) == [1, 2, 3]


def test_a_share_is_a_number_of_percent():
    assert parse_share("10%") == 0.1
    assert parse_share("2.5") == 0.025
    for wrong in "much", "0%", "-1":
        with pytest.raises(BenchError):
            parse_share(wrong)


def test_times_are_told_in_words():
    assert [duration_text(s) for s in (0.4, 59, 61, 7260)] == [
        "0 s",
        "59 s",
        "1 min 1 s",
        "2 h 1 min",
    ]
