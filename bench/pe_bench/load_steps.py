# SPDX-License-Identifier: Apache-2.0
"""The steps of a load that grows, and where the service has had enough."""
from dataclasses import dataclass

GROWTH = 1.5  # of the rate, from one step to the next
ENOUGH = 0.95  # share of the jobs that must be answered in time
SLOWER = 5.0  # a service is at its limit when the 99th percentile has grown by this factor


@dataclass(frozen=True)
class Step:
    """What a step was, and what came of it. Rates are jobs per second, times are milliseconds. `seconds` is
    how long jobs were sent, and `took` how long it was until the last answer."""

    rate: float
    sent: int
    answered: int
    seconds: float
    took: float
    p50: float
    p99: float

    def throughput(self):
        """Answers per second."""
        return self.answered / max(self.took, self.seconds)


def is_beyond(step, first):
    """Whether the service did not keep up in this step. `first` is the step with the least load."""
    if step.answered < ENOUGH * step.sent:
        return True
    # The last jobs come near the end, so their own time does not count as a delay.
    late = step.took - step.seconds - step.p50 / 1000
    return late > (1 - ENOUGH) * step.seconds and late > 1 or step.p99 > SLOWER * first.p99


def knee(steps):
    """The last step that the service kept up with, or None."""
    good = None
    for step in steps:
        if is_beyond(step, steps[0]):
            return good
        good = step
    return good


def sentence(steps):
    """What the steps say, for people."""
    best = knee(steps)
    if best is None:
        return f"The service did not keep up with {steps[0].rate:.3g} jobs per second, the least load."
    text = (
        f"Up to {best.rate:.3g} jobs per second the service keeps up: half of the jobs take at most "
        f"{best.p50:,.0f} ms, and 99 % at most {best.p99:,.0f} ms"
    )
    after = steps[steps.index(best) + 1 :]
    if not after:
        return f"{text}; its limit was not reached."
    return (
        f"{text}; at {after[0].rate:.3g} per second it answers {after[0].throughput():.3g}, and 99 % take "
        f"at most {after[0].p99:,.0f} ms."
    )
