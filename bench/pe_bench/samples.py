# SPDX-License-Identifier: Apache-2.0
"""What samples say: percentiles, spread, and whether two sets differ."""
import statistics

# Two sets differ if such a difference would come by chance in less than this share of cases.
SIGNIFICANT = 0.05
EXACT_UP_TO = 8  # samples of the smaller set


def percentile(samples, percent):
    """The value that `percent` % of the samples do not exceed, interpolated between the two samples
    beside it. None without samples."""
    ordered = sorted(samples)
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def deviation(samples):
    """The standard deviation; None for fewer than two samples."""
    return statistics.stdev(samples) if len(samples) > 1 else None


def quartile_distance(samples):
    """The distance of the 25th and the 75th percentile: the spread, without outliers. None without
    samples."""
    return percentile(samples, 75) - percentile(samples, 25) if samples else None


def chance(first, second):
    """The probability that two sets differ as much as these do although they are of the same kind:
    the p-value of a Mann-Whitney U test, two-sided. It compares ranks, so that outliers do not
    matter and the samples need not be normally distributed. None if a set is empty."""
    if not first or not second:
        return None
    if set(first) == set(second) and len(set(first)) == 1:
        return 1.0
    from scipy.stats import (
        mannwhitneyu,
    )  # pylint: disable=import-outside-toplevel  # takes a second

    # The approximation with a normal distribution gives too small values for few samples.
    method = "exact" if min(len(first), len(second)) <= EXACT_UP_TO else "asymptotic"
    return float(mannwhitneyu(first, second, alternative="two-sided", method=method).pvalue)


def change(before, after):
    """How much the median of `after` is larger than that of `before`, as a share: 0.1 is 10 % more.
    None if it cannot be said."""
    if not before or not after or statistics.median(before) == 0:
        return None
    return statistics.median(after) / statistics.median(before) - 1
