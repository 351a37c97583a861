# SPDX-License-Identifier: Apache-2.0
"""Load on a running service, until it does not keep up.

Jobs come at random times (open loop): a slow service does not slow down those who send them, as it is with
many users. The latency of a job begins when the job was due, so that waiting in the client counts, too (no
coordinated omission). The rate grows by half from step to step, until 5 % of the jobs are not answered or come
late, or the 99th percentile is 5 times that of the first step. With --users, that many users send one job
after the other, with time to think between them, and there is only one step.

node sends the jobs (bench/load-tools/load.mjs), with HdrHistogram for the percentiles. Without --server, a
balancer and a worker are started here.
"""
import json
import os
import shutil
import subprocess
from urllib.parse import urlsplit

from fixtures.http_client import HttpService
from fixtures.paths import TOP
from fixtures.service import Service

from ..errors import BenchError
from ..load_steps import GROWTH, Step, is_beyond, sentence

HELP = "jobs that come at a growing rate, until the service cannot keep up"
DESCRIPTION = __doc__
TOOLS = os.path.join(TOP, "bench/load-tools")
SECONDS, QUICK_SECONDS = 30, 5
MAX_STEPS, QUICK_STEPS = 20, 12
PATIENCE_S, QUICK_PATIENCE_S = 120, 20
REPORT_S = 30  # until load.mjs has reported after an interruption
NOT_CONTINUED = "each step decides about the next"
METRICS = {  # of the balancer: what a step has added to them
    "jobs tried again by the balancer": "pe_jobs_retried_total",
    "jobs lost by workers": "pe_jobs_lost_total",
    "cache hits": "pe_cache_hits_total",
    "cache misses": "pe_cache_misses_total",
}

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
JOBS = {
    "echo": {"image": "busybox:1.35", "cmd": ["echo", "hi"], "cache": False},
    "gcc": {"image": "gcc:14", "files": {"main.c": HELLO}, "cache": False},
    "stored": {"image": "gcc:14", "files": {"main.c": HELLO}},
    "stored-echo": {"image": "busybox:1.35", "cmd": ["echo", "hi"]},
    "second": {"image": "busybox:1.35", "cmd": ["sleep", "1"], "cache": False},
}


def parse_mix(text):
    """[(name, weight)] of a text like "echo=3,gcc=1"."""
    mix = []
    for word in text.split(","):
        name, _, weight = word.partition("=")
        if name not in JOBS:
            raise BenchError(f"there is no job {name!r} for --mix; there are {', '.join(JOBS)}")
        try:
            mix.append((name, float(weight or 1)))
        except ValueError:
            raise BenchError(f"the weight of {name} in --mix is {weight!r}, and must be a number") from None
    if not any(weight > 0 for _, weight in mix) or any(weight < 0 for _, weight in mix):
        raise BenchError(f"--mix {text!r} needs weights above 0")
    return mix


def add_arguments(parser):
    parser.add_argument("--server", metavar="URL", help="a service that runs (default: one of its own)")
    parser.add_argument("--engine", help="of the service that is started (default: the worker chooses)")
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)), help="of that service")
    parser.add_argument("--rate", type=float, default=1, help="jobs per second in the first step (default: 1)")
    parser.add_argument("--max-rate", type=float, help="the last step has at most this rate")
    parser.add_argument("--users", type=int, help="users that think, in the place of a rate")
    parser.add_argument("--think", type=float, default=5, help="mean seconds that a user thinks (default: 5)")
    parser.add_argument("--seconds", type=float, help=f"of each step (default: {SECONDS})")
    parser.add_argument(
        "--mix",
        default="echo=5,gcc=3,stored=2",
        help=f"jobs with weights: {', '.join(JOBS)} (default: %(default)s)",
    )


def check_tools():
    if not shutil.which("node"):
        raise BenchError("pe-bench load needs node: apt-get install nodejs")
    if not os.path.isdir(os.path.join(TOOLS, "node_modules/hdr-histogram-js")):
        raise BenchError("pe-bench load needs the packages of bench/load-tools; run make bench-deps")


def send(plan):
    """Let load.mjs work. Returns its report, and whether Ctrl-C ended it before its time. The report is None if it
    had not begun by then."""
    sender = subprocess.Popen(
        ["node", os.path.join(TOOLS, "load.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    interrupted = False
    try:
        report, errors = sender.communicate(json.dumps(plan))
    except KeyboardInterrupt:
        interrupted = True
        sender.terminate()
        report, errors = sender.communicate(timeout=REPORT_S)
    if not interrupted and sender.returncode:
        raise BenchError(f"load.mjs failed with status {sender.returncode}: {errors.strip()[-400:]}")
    return json.loads(report) if report else None, interrupted


class Target:
    """The service under load."""

    def __init__(self, run):
        options = run.options
        self.url = options.server
        if self.url:
            parts = urlsplit(self.url)
            if not parts.hostname:
                raise BenchError(f"--server {self.url!r} is not a URL like http://127.0.0.1:8080")
            port = parts.port or (443 if parts.scheme == "https" else 80)
            self.service = HttpService(f"{parts.hostname}:{port}") if parts.scheme == "http" else None
            return
        engine = ("--vmm", options.engine) if options.engine else ()
        self.service = Service(*engine, "--ahead", str(options.slots), slots=options.slots)
        run.cleanup.callback(self.service.close)
        self.url = self.service.url
        # VMs of all images are made, and templates of engines that have snapshots.
        for name, _ in parse_mix(options.mix):
            job = JOBS[name]
            self.service.run(job.get("cmd"), job["image"], list(job.get("files", {}).items()))

    def metrics(self):
        """The counters of the balancer; none if it does not show them."""
        if not self.service:
            return {}
        try:
            return {name: self.service.metric(metric) for name, metric in METRICS.items()}
        except (AssertionError, OSError):
            return {}


def plan_of(run, target, rate, number):
    options = run.options
    seconds = options.seconds or (QUICK_SECONDS if run.quick else SECONDS)
    jobs = [{"name": name, "weight": weight, "body": JOBS[name]} for name, weight in parse_mix(options.mix)]
    patience = QUICK_PATIENCE_S if run.quick else PATIENCE_S
    plan = {"url": target.url, "seed": run.seed + number, "seconds": seconds, "patience_seconds": patience}
    if options.users:
        return {**plan, "jobs": jobs, "users": options.users, "think_ms": options.think * 1000}
    return {**plan, "jobs": jobs, "rate": rate}


def one_step(run, target, rate, number):
    """Send the jobs of one step, and add what came of them to the results."""
    plan = plan_of(run, target, rate, number)
    load = f"{run.options.users} users" if run.options.users else f"{rate:.3g}/s"
    before = target.metrics()
    report, interrupted = send(plan)
    if interrupted:
        if report:
            add_report(run, load, report)
        raise KeyboardInterrupt
    after = target.metrics()
    add_report(run, load, report)
    for name, value in before.items():
        run.add(name, "jobs", after.get(name, value) - value, load=load)
    latency = report["all"]["latency_ms"]
    return Step(
        rate or report["sent"] / report["seconds"],
        report["sent"],
        latency["count"],
        plan["seconds"],
        report["seconds"],
        latency["p50"],
        latency["p99"],
    )


def add_report(run, load, report):
    for job, kind in [("all", report["all"]), *report["kinds"].items()]:
        labels = {"load": load, "job": job}
        for sample in kind["samples_ms"]:
            run.add("latency", "ms", sample, **labels)
        # All that HdrHistogram says for the jobs together, and of each kind only the latency.
        for what in ("latency", "queue", "vm") if job == "all" else ("latency",):
            summary = kind[f"{what}_ms"]
            if summary["count"]:
                for percent in "50", "90", "99", "99.9":
                    run.add(f"{what}, percentile", "ms", summary[f"p{percent}"], percent=percent, **labels)
    run.add("answers", "1/s", report["all"]["latency_ms"]["count"] / report["seconds"], load=load)
    run.add("sender was late, 99 %", "ms", report["late_ms"]["p99"], load=load)
    for where, count in report["cache"].items():
        run.add("results from the cache", "jobs", count, load=load, cache=where)
    for outcome, count in report["outcomes"].items():
        run.add("jobs by outcome", "jobs", count, load=load, outcome=outcome)


def run(run):
    check_tools()
    parse_mix(run.options.mix)
    target = Target(run)
    if run.options.users:
        only(run, target)
        return
    names = [f"step {number + 1}" for number in range(QUICK_STEPS if run.quick else MAX_STEPS)]
    steps, rate = [], run.options.rate
    for number, name in enumerate(run.todo(names)):  # at most
        with run.step(name):
            steps.append(one_step(run, target, rate, number))
        run.answer(sentence(steps))
        rate *= GROWTH
        if is_beyond(steps[-1], steps[0]) or (run.options.max_rate and rate > run.options.max_rate):
            break


def only(run, target):
    name = f"{run.options.users} users"
    for step_name in run.todo([name]):
        with run.step(step_name):
            step = one_step(run, target, None, 0)
        run.answer(
            f"{name} who think {run.options.think:.3g} s on average send {step.rate:.3g} jobs per second: half "
            f"of the jobs take at most {step.p50:.0f} ms, and 99 % at most {step.p99:.0f} ms."
        )
