# SPDX-License-Identifier: Apache-2.0
"""Jobs through a balancer and a worker: what a client waits for, and where the time goes.

Each engine has a service with one slot for each image, whose VM is warm and at rest when a job
arrives. Each round runs every job once with each engine, in a random order. `post` is the time from
the first byte of the request to the last byte of the response. The steps are those of the result
(phases_us in docs/api.md), and `outside` is what the guest has no part in: balancer, worker and
network. With --bulk, jobs have 16 MiB of input or output, and the results say how many times the
cost of a copy in the guest that costs.
"""
import os
import time
from dataclasses import dataclass

from fixtures.http_client import job_body
from fixtures.service import Job as Answer
from fixtures.warm_host import WarmHost

from ..run import add_rounds
from ..samples import percentile

HELP = "jobs through a balancer and a worker, by step, with warm VMs"
DESCRIPTION = __doc__
ENGINES = ("uml+boot", "qemu+tcg+snapshot")
ROUNDS, QUICK_ROUNDS = 10, 2
IN_GUEST = ("go", "exec", "program", "output")
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
BUSYBOX, GCC = "busybox:1.35", "gcc:14"
BULK_BYTES = 16 << 20


@dataclass(frozen=True)
class Job:
    name: str
    image: str
    cmd: tuple
    files: tuple = ()


JOBS = [
    Job("echo hi", BUSYBOX, ("echo", "hi")),
    Job("true, with a file of 10 KB", BUSYBOX, ("true",), (("data", "x" * 10240),)),
    Job(
        "gcc hello",
        GCC,
        ("sh", "-c", "gcc -O1 main.c -o /tmp/a.out && exec /tmp/a.out"),
        (("main.c", HELLO),),
    ),
]


def bulk_jobs():
    """Nothing, 16 MiB of input, the same copied once in the guest, and copied to the output. The
    file for the last is a little smaller, because the output has a limit."""
    big = os.urandom(1 << 20) * (BULK_BYTES >> 20)
    file, smaller = (("big", big),), (("big", big[:-65536]),)
    return [
        Job("nothing", BUSYBOX, ("true",)),
        Job("input", BUSYBOX, ("true",), file),
        Job("copy", BUSYBOX, ("cp", "/input/big", "/tmp/big"), file),
        Job("output", BUSYBOX, ("cp", "/input/big", "/output/big"), smaller),
    ]


def add_arguments(parser):
    parser.add_argument(
        "--engine", action="append", metavar="ENGINE", help="of the VMs; may be given several times"
    )
    add_rounds(parser, ROUNDS, QUICK_ROUNDS)
    parser.add_argument(
        "--job", action="append", metavar="TEXT", help="only jobs with this in their name"
    )
    parser.add_argument(
        "--worker-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="of pe-worker, as in =--new-containers",
    )
    parser.add_argument(
        "--bulk", action="store_true", help="jobs with 16 MiB of input or output instead"
    )
    parser.add_argument(
        "--settle",
        type=int,
        metavar="MS",
        help="rest of a VM before its job (default: 300; 1000 under emulation)",
    )


class Hosts:
    """The services, by engine and image. They start when they are needed first."""

    def __init__(self, run, settle_ms, options):
        self.run, self.settle_ms, self.options, self.hosts = run, settle_ms, options, {}

    def ready(self, engine, image):
        """The service, with a VM that is warm and has had time to come to rest."""
        if (engine, image) not in self.hosts:
            host = WarmHost(engine, image, options=self.options)
            self.run.cleanup.callback(host.close)
            self.hosts[engine, image] = host
        host = self.hosts[engine, image]
        host.await_warm()
        emulated = "tcg" in engine or engine == "qemu"
        settle_ms = self.settle_ms if self.settle_ms is not None else 1000 if emulated else 300
        time.sleep(settle_ms / 1000)
        return host.service


def measure(run, service, engine, job):
    body = job_body(
        {"image": job.image, "cmd": list(job.cmd), "cache": False, "timeout_ms": 60000}, job.files
    )
    labels = {"engine": engine, "job": job.name}
    began = time.monotonic()
    response = service.post(body)
    post_ms = (time.monotonic() - began) * 1000
    answer = Answer(response)
    if (answer.status, answer.exit_code) != ("exited", 0):
        run.fail(
            "post", "ms", f"the job ended with status {answer.status}, {answer.exit_code}", **labels
        )
        return
    steps = answer.fields["phases_us"]
    run.add("post", "ms", post_ms, **labels)
    run.add("outside", "ms", post_ms - sum(steps[step] for step in IN_GUEST) / 1000, **labels)
    for step, us in steps.items():
        run.add(step, "ms", us / 1000, **labels)


def add_ratios(run, engine):
    """What 16 MiB cost, in copies in the guest."""
    middle = {
        (one["name"], one["labels"]["job"]): percentile(one["samples"], 50)
        for one in run.all_series()
        if one["labels"].get("engine") == engine and one["samples"]
    }
    needed = [("post", name) for name in ("nothing", "input", "copy", "output")] + [
        ("program", "copy")
    ]
    if not all(middle.get(key) for key in needed):
        return
    nothing, given, copy, out, once = (middle[key] for key in needed)
    run.set("cost of 16 MiB of input", "copies", (given - nothing) / once, engine=engine)
    run.set("cost of 16 MiB of output", "copies", (out - copy) / once, engine=engine)


def run(run):
    options = run.options
    rounds = run.rounds(ROUNDS, QUICK_ROUNDS)
    engines = options.engine or ENGINES[: 1 if run.quick else None]
    jobs = bulk_jobs() if options.bulk else JOBS
    jobs = [job for job in jobs if not options.job or any(text in job.name for text in options.job)]
    hosts = Hosts(run, options.settle, options.worker_option)
    for name in run.todo([f"round {number + 1}" for number in range(rounds)]):
        with run.step(name):
            for engine, job in run.shuffled([(engine, job) for engine in engines for job in jobs]):
                measure(run, hosts.ready(engine, job.image), engine, job)
    if options.bulk:
        for engine in engines:
            add_ratios(run, engine)
    run.answer(answer(run.all_series()))


def answer(series):
    """One sentence with the medians of `post`."""
    texts = [
        f"{one['labels']['job']} {percentile(one['samples'], 50):.1f} ms "
        f"with {one['labels']['engine']}"
        for one in series
        if one["name"] == "post" and one["samples"]
    ]
    return "A client waits for " + ", ".join(texts) + "." if texts else "No job gave a time."
