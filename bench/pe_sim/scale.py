# SPDX-License-Identifier: Apache-2.0
"""From users a day to balancers, hosts, waiting and cost. What is not measured is an assumption with an option,
and its default is printed in --help."""
import math
import textwrap

from pe_bench.errors import BenchError
from pe_bench.samples import percentile

from .model import Machine, Service

JOBS = 4000  # of one simulation
DAY = 86400
CONNECTIONS = 32736  # of one pe-lb, docs/operations.md


def add_arguments(parser):
    parser.add_argument("--times", default="bench/results/sim.json", help="result file of `sim measure`")
    parser.add_argument("--users", type=int, action="append", help="a day (default: 1,000 to 1,000,000)")
    parser.add_argument("--engine", default="uml+boot", help="of the hosts; it must have been measured")
    parser.add_argument("--jobs", type=float, default=10, help="assumption: jobs of a user a day (10)")
    parser.add_argument("--peak", type=float, default=3, help="assumption: the busiest hour, times the mean (3)")
    parser.add_argument("--gcc", type=float, default=0.5, help="assumption: share of gcc jobs, others are echo (0.5)")
    parser.add_argument("--cached", type=float, default=0.3, help="assumption: share of stored results (0.3)")
    parser.add_argument("--cores", type=int, default=8, help="assumption: cores, and slots, of a host (8)")
    parser.add_argument("--wait-ms", type=float, default=100, help="goal: p99 of waiting for a slot (100)")
    parser.add_argument("--core-hour", type=float, default=0.02, help="assumption: price of a core for an hour (0.02)")
    parser.add_argument("--seed", type=int, default=1)


def wrapped(text):
    return textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def samples(data, name, **labels):
    """The samples of a series with these labels; `check=None` means one without that label."""
    for series in data["series"]:
        if series["name"] == name and all(series["labels"].get(key) == value for key, value in labels.items()):
            if series["samples"]:
                return series["samples"]
    raise BenchError(
        f"'{name}' with {labels} was not measured; run bench/sim measure on a machine that has it, and use --times"
    )


def table(head, rows):
    return [f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def drawer(data, name, engine, shares):
    """A function that draws a measured time in seconds, of a job of a random kind."""
    kinds = [(share, samples(data, name, engine=engine, job=job, check=None)) for job, share in shares.items() if share]
    weights = [share for share, _ in kinds]
    return lambda rng: rng.choice(rng.choices(kinds, weights)[0][1]) / 1000


def cpu_of_jobs(data, options):
    """Seconds of a core for each job that runs, with its VM."""
    shares = {"gcc": options.gcc, "echo": 1 - options.gcc}
    parts = [mean_seconds(data, name, options) for name in ("work", "making of the VM")]
    return sum(parts) + extra_seconds(data, options.engine, shares)


def mean_seconds(data, name, options):
    total = 0.0
    for job, share in (("gcc", options.gcc), ("echo", 1 - options.gcc)):
        values = samples(data, name, engine=options.engine, job=job, check=None)
        total += share * sum(values) / len(values) / 1000
    return total


def extra_seconds(data, engine, shares):
    """Work for a job and its VM that is neither the job nor what makes the VM ready: the rest of the CPU time."""
    total = 0.0
    for job, share in shares.items():
        if share:
            (cpu,) = samples(data, "CPU of a job and its VM", engine=engine, job=job)
            parts = [samples(data, name, engine=engine, job=job, check=None) for name in ("work", "making of the VM")]
            total += share * max(0.0, cpu - sum(sum(part) / len(part) for part in parts)) / 1000
    return total


def simulate(data, options, hosts, rate):
    shares = {"gcc": options.gcc, "echo": 1 - options.gcc}
    machines = [(Machine(options.cores), options.cores) for _ in range(hosts)]
    run = drawer(data, "work", options.engine, shares)
    make = drawer(data, "making of the VM", options.engine, shares)
    return Service(machines, run, make, options.seed, extra_seconds(data, options.engine, shares)).simulate(rate, JOBS)


def peak_rate(options, users):
    """Jobs per second in the busiest hour, and those of them that run."""
    rate = users * options.jobs / DAY * options.peak
    return rate, rate * (1 - options.cached)


def size(data, options, rate):
    """The fewest hosts that keep the goal, and their outcome."""
    work = cpu_of_jobs(data, options)
    count = max(1, math.ceil(rate * work / options.cores))
    while True:
        outcome = simulate(data, options, count, rate)
        if percentile(outcome.queued, 99) * 1000 <= options.wait_ms and outcome.busy < 0.95:
            return count, outcome
        count += max(1, count // 20)


def balancer_us(data, options):
    """CPU time of pe-lb for one job of clients: microseconds, of stored results and of jobs that run."""
    stored = [one["samples"] for one in data["series"] if one["name"] == "pe-lb for a stored result"]
    ran = [one["samples"] for one in data["series"] if one["name"] == "pe-lb for a job"]
    flat = [sum(map(sum, group)) / sum(map(len, group)) for group in (stored, ran)]
    return options.cached * flat[0] + (1 - options.cached) * flat[1]


def hosts(options, data):
    rows, us = [], balancer_us(data, options)
    for users in options.users or [1000, 10000, 100000, 1000000]:
        rate, running = peak_rate(options, users)
        count, outcome = size(data, options, running)
        balancers = max(2 if count > 1 else 1, math.ceil(rate * us / 1e6 / 0.7))
        price = (count * options.cores + balancers) * options.core_hour * 24 / (users * options.jobs) * 1e6
        p99 = [percentile(values, 99) * 1000 for values in (outcome.queued, outcome.latencies)]
        row = [f"{users:,}", f"{rate:.1f}", f"{balancers}", f"{count}", f"{outcome.busy:.0%}"]
        rows.append([*row, f"{p99[0]:.0f} ms", f"{p99[1]:,.0f} ms", f"{price:.2f}"])
    head = ["users a day", "jobs/s at the peak", "balancers", f"hosts with {options.cores} cores", "cores busy"]
    return table([*head, "waiting, p99", "job, p99", "cost of a million jobs"], rows)


def limits(options, data):
    """Users a day at which one of a part is full at the peak."""
    per_user = options.jobs / DAY * options.peak
    us = balancer_us(data, options)
    work = cpu_of_jobs(data, options)
    ran = per_user * (1 - options.cached)
    seconds = work  # that a client's connection is open, and a slot is taken
    rows = [
        ("CPU of a host", ran * work / options.cores, f"{work * 1000:.0f} ms of a core for each job that runs"),
        ("CPU of a balancer, which is one core", per_user * us / 1e6, f"{us:.0f} us for each job"),
        (
            "connections of a balancer",
            (per_user + ran) * seconds / CONNECTIONS,
            f"{CONNECTIONS:,}, of clients and slots that are in use",
        ),
    ]
    rows.sort(key=lambda row: -row[1])
    return table(
        ["full first", "users a day", "because"], [(name, f"{int(1 / each):,}", why) for name, each, why in rows]
    )


def check(options, data):
    rows = []
    for label in sorted({one["labels"]["check"] for one in data["series"] if "check" in one["labels"]}):
        rate = float(label.split("/")[0])
        real = {name: samples(data, name, check=label) for name in ("latency", "queue")}
        run = drawer(data, "work", options.engine, {"gcc": 1})
        make = drawer(data, "making of the VM", options.engine, {"gcc": 1})
        shared = Machine(data["machine"]["cores"])
        extra = extra_seconds(data, options.engine, {"gcc": 1})
        outcome = Service([(shared, 1)] * 4, run, make, options.seed, extra).simulate(rate, JOBS)
        outside = [
            whole - work
            for whole, work in zip(
                samples(data, "latency", engine=options.engine, job="gcc", check=None),
                samples(data, "work", engine=options.engine, job="gcc", check=None),
            )
        ]
        beside = percentile(outside, 50)
        for name, theirs, add in (("latency", outcome.latencies, beside), ("queue", outcome.queued, 0)):
            row = [f"{label}", {"latency": "job", "queue": "waiting for a slot"}[name], str(len(real[name]))]
            for percent in (50, 90, 99):
                row.append(f"{percentile(real[name], percent):,.0f} / {percentile(theirs, percent) * 1000 + add:,.0f}")
            rows.append(row)
    return table(["jobs", "", "real jobs", "p50, ms: real / simulated", "p90", "p99"], rows)
