# SPDX-License-Identifier: Apache-2.0
"""The same job by every way this machine has.

The time of a job is that from the start of a program to its end: of the program itself (native), of the
runtime (crun, podman, runsc), of pe-vm, which makes a VM for this job, or of pe-run, whose job finds a warm
VM or a stored result. For a clone, the time to make its template is not counted: it is made once. Each round
runs every way once, in a random order, and each answer is checked.
"""
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from fixtures.paths import program
from fixtures.warm_host import WarmHost

from .. import host_ways
from ..host_ways import Failed, Outcome, Place, run_timed
from ..images import TOP, Images
from ..samples import percentile

HELP = "the same job natively, in containers, in VMs of all kinds, and by pe-run"
DESCRIPTION = __doc__
NEEDS_ROOT = True
DATA = os.path.join(TOP, "bench/pe-bench-data")
RECIPE, IMAGE = "cxx", "bench/cxx:14"
ROUNDS, QUICK_ROUNDS = 20, 2
LIMIT_S = 60  # of a job, as the service has it
NAME, UNIT = "start to end", "ms"


@dataclass(frozen=True)
class Job:
    name: str
    file: str  # in DATA/compare, or ""
    script: str
    expected: str  # what the output begins with


JOBS = [
    Job("gcc --version", "", "exec gcc --version", "gcc"),  # --quick: the first two
    Job("gcc hello", "hello.c", "gcc -O1 hello.c -o /tmp/a.out && exec /tmp/a.out", "hello\n"),
    Job(
        "C++ with <regex>",
        "regex.cpp",
        "g++ -O1 regex.cpp -o /tmp/a.out && exec /tmp/a.out",
        "alpha is 1\nbeta is 22\ngamma is 333\n",
    ),
]


def files_of(job):
    return [os.path.join(DATA, "compare", job.file)] if job.file else []


class HostWay:
    """A program of this host, without a VM."""

    def __init__(self, way, root, folder):
        self.name, self.way, self.root, self.folder = way.name, way, root, folder

    def missing(self):
        return self.way.missing()

    def run(self, job):
        work = os.path.join(self.folder, job.name.replace("/", "-"))
        os.makedirs(work, exist_ok=True)
        for path in files_of(job):
            shutil.copy(path, work)
        place = Place(self.root, [(work, "/work")])
        host_ways.make_mount_points(place)
        return self.way.run(place, ["sh", "-c", job.script])


class VmWay:
    """A VM that is booted for one job by pe-vm, with nothing prepared. The first of the engines that works here is
    used."""

    def __init__(self, name, engines, store, stack):
        self.name, self.engines, self.store, self.stack = name, engines, store, stack
        self.engine, self.options = None, ["--cold"]

    def missing(self):
        if not os.path.exists(program("pe-vm")):
            return "pe-vm is not built; run make"
        reasons = []
        for self.engine in self.engines:
            try:
                self.prepare()
                self.run(JOBS[0])
                return None
            except Failed as fault:
                reasons.append(f"{self.engine}: {fault}")
        return "; ".join(reasons)

    def prepare(self):
        """What is done once, before the first job."""

    def common(self):
        return ["--engine", self.engine, "--image", IMAGE, "--store", self.store]

    def run(self, job):
        command = [program("pe-vm"), "task", *self.common(), "--timeout", str(LIMIT_S * 1000), "--json"]
        command += [*self.options, *files_of(job), "--", "sh", "-c", job.script]
        outcome = run_timed(command, isolated=False)
        result = json.loads(outcome.stdout)
        if result["status"] == "timeout":
            raise Failed(f"the job did not end within {LIMIT_S} s")
        if (result["status"], result["exit_code"]) != ("exited", 0):
            raise Failed(f"the job ended with {result['status']}, exit code {result['exit_code']}")
        return Outcome(outcome.seconds, result["stdout"])


class CloneWay(VmWay):
    """A clone of a snapshot, of which `pe-vm template` keeps the files."""

    def prepare(self):
        command = [program("pe-vm"), "template", *self.common()]
        keeper = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = keeper.stdout.readline()
        if not line:
            raise Failed(keeper.communicate()[1].strip())
        self.stack.callback(keeper.communicate)  # the end of its input ends it
        self.options = ["--template", json.loads(line)["template"]]


class PeRun:
    """pe-run with a service that runs already."""

    def __init__(self, name, host, cached):
        self.name, self.host, self.cached = name, host, cached

    def missing(self):
        return None

    def run(self, job):
        service = self.host.service
        command = [program("pe-run"), "--server", service.url, "-q", "--timeout", str(LIMIT_S)]
        command += [] if self.cached else ["--no-cache"]
        command += [IMAGE, *files_of(job), "--", "sh", "-c", job.script]
        if not self.cached:
            self.host.await_warm()
        return run_timed(command, isolated=False)


def make_ways(run, stack):
    """Every way, whether this machine has it or not."""
    images = Images(os.path.join(DATA, "recipes"), "bench-images")
    images.make(RECIPE, IMAGE)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ways-"))
    root = images.root(RECIPE, IMAGE)
    on_host = host_ways.all_ways(folder)
    stack.callback(host_ways.close_all, on_host)
    host = WarmHost(run.options.engine, IMAGE, images.store)
    stack.callback(host.close)
    vms = [
        (VmWay, "QEMU, a boot for each job", ["qemu+kvm+boot", "qemu+tcg+boot"]),
        (CloneWay, "QEMU, a clone for each job", ["qemu+kvm+snapshot", "qemu+tcg+snapshot"]),
        (VmWay, "cloud-hypervisor, a boot for each job", ["cloud-hypervisor+kvm+boot"]),
        (CloneWay, "cloud-hypervisor, a clone for each job", ["cloud-hypervisor+kvm+snapshot"]),
        (VmWay, "User Mode Linux, a boot for each job", ["uml+boot"]),
    ]
    return [
        *(HostWay(way, root, f"{folder}/{way.name}-work") for way in on_host),
        *(kind(name, engines, images.store, stack) for kind, name, engines in vms),
        PeRun("pe-run, warm VM", host, cached=False),
        PeRun("pe-run, stored result", host, cached=True),
    ]


def add_arguments(parser):
    parser.add_argument("--rounds", type=int, help=f"how often each way runs each job (default: {ROUNDS})")
    parser.add_argument("--way", action="append", metavar="TEXT", help="only ways with this in their name")
    parser.add_argument("--job", action="append", metavar="TEXT", help="only jobs with this in their name")
    parser.add_argument("--engine", help="of the VMs behind pe-run (default: the worker chooses)")


def matching(items, texts):
    return [one for one in items if not texts or any(text in one.name for text in texts)]


def measure(run, way, job):
    labels = {"way": way.name, "job": job.name}
    try:
        outcome = way.run(job)
        if not outcome.stdout.startswith(job.expected):
            raise Failed(f"a wrong answer: {outcome.stdout[:100]!r}")
        run.add(NAME, UNIT, round(outcome.seconds * 1000, 3), **labels)
        return True
    except Failed as fault:
        run.fail(NAME, UNIT, str(fault), **labels)
        return False


def run(run):
    options = run.options
    jobs = matching(JOBS[:2] if run.quick else JOBS, options.job)
    rounds = options.rounds or (QUICK_ROUNDS if run.quick else ROUNDS)
    ways = []
    for way in matching(make_ways(run, run.cleanup), options.way):
        reason = way.missing()
        if reason is None:
            ways.append(way)
        for job in jobs:  # so that the results have this order, whatever that of the measurements is
            run.not_available(NAME, UNIT, reason, way=way.name, job=job.name)
    steps = {f"round {n + 1}: {job.name}": job for n in range(rounds) for job in jobs}
    warmed, failed = set(), set()
    for name in run.todo(list(steps)):
        with run.step(name):
            job = steps[name]
            for way in run.shuffled(ways):
                both = way.name, job.name
                # The first run fills caches, and does not count, but a trial has no time for that.
                # What fails then would fail each time.
                if both not in warmed and not run.quick:
                    warmed.add(both)
                    warm_up(way, job)
                if both not in failed and not measure(run, way, job):
                    failed.add(both)
    run.answer(answer(run.all_series()))


def warm_up(way, job):
    try:
        way.run(job)
    except Failed:
        pass  # measure() reports it


def answer(series):
    """One sentence about the whole."""
    fastest = {}
    for one in series:
        if one["samples"]:
            fastest.setdefault(one["labels"]["way"], {})[one["labels"]["job"]] = percentile(one["samples"], 50)
    ours, native = fastest.get("pe-run, warm VM", {}), fastest.get("native", {})
    ratios = [f"{job}: {ours[job] / native[job]:.1f} times" for job in ours if native.get(job)]
    if not ratios:
        return "There are no times both of pe-run and of the native programs."
    return "pe-run with a warm VM takes, compared with the program itself, for " + "; for ".join(ratios) + "."
