# SPDX-License-Identifier: Apache-2.0
"""Load on a service while its network is bad and its processes are killed: what is lost, and for how long.

Jobs come at random times, whatever the service does (open loop), and each answer is compared with what it has
to be. Clients send a job again when they get an error; the time of a job is that from when it was due to its
right answer. First come jobs without faults, for comparison. The faults are some of those of bench/soak: delays
and losses, cut connections and partitions, and kill -9 of workers, of their processes and VMs, and of the
balancer. The network of the workers is that of the kernel (netem) where the kernel has it, and otherwise a
proxy that does the same to the bytes of connections. It needs root.
"""
import functools
import os
import sys
import tempfile
import time

from fixtures.netem_network import NetemNetwork, has_netem
from fixtures.network import Network
from fixtures.paths import TOP
from fixtures.waiting import eventually

from ..errors import BenchError
from ..samples import percentile

sys.path.append(os.path.join(TOP, "bench/soak-tools"))

import faults as soak_faults  # noqa: E402
from crowd import Crowd  # noqa: E402
from farm import Farm  # noqa: E402

HELP = "the same load while the network is bad and processes are killed"
DESCRIPTION = __doc__
NEEDS_ROOT = True
SECONDS, QUICK_SECONDS = 120, 20
CLIENTS = 64
NETWORK_FAULTS = ("slow_network", "one_way_network", "partition", "cut_connections")
KILLS = ("kill_a_process", "kill_a_worker", "kill_the_balancer")
KINDS = {"network": NETWORK_FAULTS, "kills": KILLS}
START_S, END_S = 600, 600


def add_arguments(parser):
    parser.add_argument("--engine", default="uml+boot", help="of the workers (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=2, help="of each worker (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=3, help="jobs per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help=f"with faults; a third without (default: {SECONDS})")
    parser.add_argument("--faults", choices=[*KINDS, "all"], default="all", help="(default: %(default)s)")
    parser.add_argument("--network", choices=["netem", "proxy"], help="(default: netem where the host has it)")


def chosen_faults(name):
    names = [*NETWORK_FAULTS, *KILLS] if name == "all" else KINDS[name]
    return [getattr(soak_faults, one) for one in names]


def network_maker(choice):
    """A name, and what makes the network of a worker."""
    if choice == "proxy" or (choice is None and not has_netem()):
        return "proxy", Network
    if not has_netem():
        raise BenchError("this kernel has no netem (tc answers that the kind of the queue is unknown)")
    numbers = iter(range(os.getpid(), os.getpid() + 1000))
    return "netem", lambda upstream, seed: NetemNetwork(upstream, seed, next(numbers))


class NoFaults:
    """In the place of Faults, while there are none."""

    stopping = False

    def explain(self, _began, _ended):
        return False


def work(run, farm, faults, seconds, seed, label):
    """Send jobs for some time, wait for the last answers, and return the clients. An interruption keeps the times
    of the jobs that were answered until then, and counts nothing: jobs that are under way are not lost."""
    crowd = Crowd(farm.near_client.address, None, CLIENTS, seed, faults, run.options.rate)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(0.1)
        crowd.stopping = faults.stopping = True
        eventually(lambda: not crowd.is_busy(), "the clients end", END_S)
    finally:
        crowd.stopping = faults.stopping = True
        add_latencies(run, crowd, label)
    return crowd


def with_faults(run, farm, kind, seconds):
    faults = soak_faults.Faults(farm, run.seed, run.progress.say, chosen_faults(run.options.faults))
    faults.start()
    try:
        crowd = work(run, farm, faults, seconds, run.seed, run.options.faults)
    finally:
        faults.stopping = True
        faults.join()
    eventually(farm.is_idle, "all slots are ready", END_S)
    for took, _ in faults.recoveries:
        run.add("recovery", "s", round(took, 3), network=kind)
    for name, count in faults.counts.items():
        run.add("faults", "faults", count, kind=name, network=kind)
    return crowd


PROMISES = ("lost", "given up", "answered wrongly", "answered twice", "errors without a fault")


def count_broken(farm, crowd):
    """What must not happen, and how often it did."""
    twice = len(farm.answered_twice())
    counts = (crowd.next - crowd.done(), len(crowd.given_up), len(crowd.wrong), twice, len(crowd.unexplained))
    return dict(zip(PROMISES, counts))


def find_broken(run):
    """The same of the whole run, also of the part before it was continued."""
    counts = {what: sum(samples_of(run, "jobs", outcome=what)) for what in PROMISES}
    return {what: count for what, count in counts.items() if count}


def add_latencies(run, crowd, faults):
    """`faults` is what happened meanwhile."""
    for _, seconds in list(crowd.times):
        run.add("latency", "ms", round(seconds * 1000, 3), faults=faults)


def add_results(run, farm, crowd, faults):
    counts = {"sent": crowd.next, "answered rightly": crowd.right, **count_broken(farm, crowd)}
    for number, count in sorted(crowd.tries.items()):
        counts[f"with try {number}"] = count
    for outcome, count in counts.items():
        run.add("jobs", "jobs", count, outcome=outcome, faults=faults)
    for error, count in crowd.errors.items():
        run.add("errors that clients saw", "errors", count, error=error, faults=faults)


def sentence(sent, broken, faults, recoveries, latencies):
    """What came of the run. `broken` has the promises that were not kept."""
    lost = "none was lost, and none was answered wrongly or twice"
    if broken:
        lost = ", ".join(f"{count} {what}" for what, count in broken.items())
    text = f"Of {sent} jobs during {faults} faults, {lost}; "
    if recoveries:
        text += (
            f"the full capacity was back {percentile(recoveries, 50):.1f} s after the end of a fault, "
            f"and at most {max(recoveries):.1f} s; "
        )
    half, most = (percentile(latencies, percent) or 0 for percent in (50, 99))
    return f"{text}half of the jobs took at most {half:,.0f} ms, and 99 % at most {most:,.0f} ms."


def samples_of(run, name, **labels):
    found = []
    for one in run.all_series():
        if one["name"] == name and labels.items() <= one["labels"].items():
            found += one["samples"]
    return found


def run(run):
    options = run.options
    seconds = options.seconds or (QUICK_SECONDS if run.quick else SECONDS)
    kind, make_network = network_maker(options.network)
    names = ["without faults", f"with faults ({options.faults}, {kind})"]
    todo = list(run.todo(names, {names[0]: seconds / 3, names[1]: seconds}))  # one says nothing without the other
    if todo:
        measure(run, todo, names, seconds, make_network, kind)
    broken = find_broken(run)
    faults = sum(samples_of(run, "faults"))
    sent = sum(samples_of(run, "jobs", outcome="sent", faults=options.faults))
    latencies = samples_of(run, "latency", faults=options.faults)
    run.answer(sentence(sent, broken, faults, samples_of(run, "recovery"), latencies))
    return 1 if broken else 0


def measure(run, todo, names, seconds, make_network, kind):
    """Do the steps `todo` of `names`."""
    options = run.options
    folder = run.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="faults-"))
    farm = Farm(options.engine, options.workers, options.slots, folder, run.seed, make_network)
    run.cleanup.callback(farm.close)
    eventually(farm.is_idle, "the service is ready", START_S)
    measures = {
        names[0]: functools.partial(work, run, farm, NoFaults(), seconds / 3, run.seed + 1, "none"),
        names[1]: functools.partial(with_faults, run, farm, kind, seconds),
    }
    for name in todo:
        with run.step(name):
            crowd = measures[name]()
            add_results(run, farm, crowd, "none" if name == names[0] else options.faults)
