# SPDX-License-Identifier: Apache-2.0
"""More and more VMs at once: 1, 2, 4 and so on up to --max, or each multiple of --linear.

Each step is one round of `pe-bench parallel`, after a pause (--cooldown), in which the machine
comes to rest. A step that needs more memory than the machine has left, judged by the VMs of earlier
steps, is n/a.
"""
import time

from ..crowd import available_mib, measure
from ..samples import percentile
from ..vms import Vms, add_vm_arguments

HELP = "throughput, phases and memory with more and more VMs at once"
DESCRIPTION = __doc__
QUICK_MAX, QUICK_COOLDOWN_S = 4, 1
MEMORY_LEFT_MIB = 512  # what the host keeps


def add_arguments(parser):
    parser.add_argument(
        "--max", type=int, default=64, metavar="N", help="the most VMs at once (default 64)"
    )
    parser.add_argument(
        "--linear", type=int, metavar="STEP", help="multiples of STEP instead of powers of two"
    )
    parser.add_argument(
        "--cooldown", type=float, metavar="S", help="pause before each step (default 10 s)"
    )
    parser.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="repetitions of each step (default 1)"
    )
    add_vm_arguments(parser, several_engines=False)


def counts(most, linear=None):
    """The numbers of VMs. The largest is always `most`."""
    if linear:
        found = [1, *range(linear, most, linear)] if linear > 1 else list(range(1, most))
    else:
        found = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return sorted({*found, most})


def fits(run, count):
    """Whether there is memory for so many VMs; None if nothing is known about their memory."""
    known = [one for one in run.all_series() if one["name"] == "PSS of a VM" and one["samples"]]
    if not known:
        return None
    each = max(percentile(one["samples"], 50) for one in known)
    return count * each <= available_mib() - MEMORY_LEFT_MIB


def run(run):
    options = run.options
    most = min(options.max, QUICK_MAX) if run.quick else options.max
    cooldown = (
        options.cooldown if options.cooldown is not None else QUICK_COOLDOWN_S if run.quick else 10
    )
    numbers = counts(most, options.linear)
    steps = {
        f"{count} VMs" + (f", round {number + 1}" if options.rounds > 1 else ""): count
        for count in numbers
        for number in range(options.rounds)
    }
    vms = Vms(run, options.engine)
    for name in run.todo(list(steps), weights={name: count + 2 for name, count in steps.items()}):
        with run.step(name):
            time.sleep(cooldown)
            if fits(run, steps[name]) is False:
                reason = f"{available_mib():.0f} MiB of memory are free, which is too little"
                run.not_available("total", "ms", reason, **vms.labels, vms=steps[name])
            else:
                measure(run, vms, steps[name])
    run.answer(answer(run.all_series(), vms.engine))


def answer(series, engine):
    """One sentence about the throughput."""
    rates = {
        int(one["labels"]["vms"]): percentile(one["samples"], 50)
        for one in series
        if one["name"] == "jobs" and one["samples"]
    }
    if not rates:
        return "No job was done."
    best = max(rates, key=rates.get)
    return f"{engine} does the most jobs, {rates[best]:.1f} per second, with {best} VMs at once."
