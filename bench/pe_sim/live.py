# SPDX-License-Identifier: Apache-2.0
"""Measuring the times that the simulation needs, and a real run to check it: two balancers, and four hosts of
one slot each, which are four pe-worker on this machine and share its cores. One run does both, so that both
have the same conditions. The result file has the form of pe-bench's (docs/pe-bench.md)."""
import os
import random
import threading
import time
from contextlib import ExitStack

from fixtures.balancer import Balancer
from fixtures.service import Job
from fixtures.waiting import eventually
from fixtures.worker import START_SECONDS, Worker
from pe_bench.processes import cpu_seconds, with_descendants

HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
JOBS = {
    "echo": ({"image": "busybox:1.35", "cmd": ["echo", "hi"]}, ()),
    "gcc": ({"image": "gcc:14"}, (("main.c", HELLO),)),
}
HOSTS = 4


def post(balancer, job, cache=False):
    fields, files = JOBS[job]
    began = time.monotonic()
    answer = Job(balancer.post(job={**fields, "cache": cache, "timeout_ms": 60000}, files=files))
    assert answer.status == "exited" and answer.exit_code == 0, answer
    return (time.monotonic() - began) * 1000, answer


def tree_seconds(pid):
    """The CPU time of a process and all below it, also of those that have ended: fields 14 to 17 of
    /proc/PID/stat (proc(5))."""
    ticks = 0
    for each in with_descendants([pid]):
        try:
            with open(f"/proc/{each}/stat", encoding="ascii") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def add(run, answer, latency, **labels):
    timing, phases = answer.timing_ms, answer.phases_us
    run.add("latency", "ms", round(latency, 2), **labels)
    run.add("queue", "ms", timing["queue"], **labels)
    run.add("work", "ms", timing["input"] + timing["run"] + timing["output"], **labels)
    run.add("making of the VM", "ms", sum(phases[key] for key in ("spawn", "restore", "ready")) / 1000, **labels)


def measure_times(run, engine, rounds):
    """Jobs one after the other, each in a VM that is at rest: times of jobs and VMs, and what they cost pe-lb."""
    for job in JOBS:
        with run.step(f"{engine}, {job}"), ExitStack() as stack:
            balancer = stack.enter_context(closing(Balancer(unix=False, quick=False)))
            worker = Worker(balancer.url, "--vmm", engine, "--ahead", "0", slots=1, warm=JOBS[job][0]["image"])
            stack.callback(worker.close)
            worker.start()
            eventually(lambda b=balancer: b.health()["ready"] >= 1, "a slot is ready", START_SECONDS)
            spent = 0.0
            for number in range(rounds + 2):
                if number == 2:
                    spent = tree_seconds(worker.process.pid)
                latency, answer = post(balancer, job)
                if number >= 2:
                    add(run, answer, latency, engine=engine, job=job)
                time.sleep(0.8)  # the VM has run its warm-up command
            used = (tree_seconds(worker.process.pid) - spent) / rounds
            run.add("CPU of a job and its VM", "ms", round(used * 1000, 1), engine=engine, job=job)
            before, hits = cpu_seconds([balancer.process.pid]), 500
            post(balancer, job, cache=True)
            for _ in range(hits):
                post(balancer, job, cache=True)
            used = cpu_seconds([balancer.process.pid]) - before
            run.add("pe-lb for a stored result", "us", round(used * 1e6 / hits, 1), engine=engine, job=job)


class closing:
    """A context that closes a balancer."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self.what

    def __exit__(self, *_):
        self.what.close()


def check(run, engine, rates, seconds):
    """Jobs at random times, at each of the rates, to two balancers and four hosts."""
    with ExitStack() as stack:
        balancers = [stack.enter_context(closing(Balancer(unix=False, quick=False))) for _ in range(2)]
        for _ in range(HOSTS):
            servers = (balancers[0].url, "--server", balancers[1].url)
            worker = Worker(*servers, "--vmm", engine, "--ahead", "0", slots=1, warm="gcc:14")
            stack.callback(worker.close)
            worker.start()
        for balancer in balancers:
            eventually(lambda b=balancer: b.health()["ready"] >= HOSTS, "all slots are ready", START_SECONDS)
        for number in range(2 * HOSTS):
            post(balancers[number % 2], "gcc")
        for rate in rates:
            with run.step(f"check, {rate:g}/s"):
                check_rate(run, balancers, engine, rate, seconds)
                time.sleep(2)


def check_rate(run, balancers, engine, rate, seconds):
    rng, lock, threads = random.Random(f"{run.seed} {rate}"), threading.Lock(), []
    pids = [balancer.process.pid for balancer in balancers]
    before, due, began = cpu_seconds(pids), 0.0, time.monotonic()

    def one(balancer):
        latency, answer = post(balancer, "gcc")
        with lock:
            add(run, answer, latency, check=f"{rate:g}/s", engine=engine, job="gcc")

    while (due := due + rng.expovariate(rate)) < seconds:
        time.sleep(max(0, began + due - time.monotonic()))
        threads.append(threading.Thread(target=one, args=(rng.choice(balancers),)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    used = cpu_seconds(pids) - before
    run.add("pe-lb for a job", "us", round(used * 1e6 / len(threads), 1), check=f"{rate:g}/s")
