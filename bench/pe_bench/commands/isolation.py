# SPDX-License-Identifier: Apache-2.0
"""The same work of sysbench natively, in containers and in VMs, and what isolation costs.

All run Debian's sysbench from the same root file system: in chroot(8) (native), crun, podman, gVisor's runsc, and
VMs of each engine with 1 and 2 virtual CPUs and 1 and 2 GiB of memory. Programs without a VM are kept to as many
CPUs as the VM has. The work: primes to 25,000 and 50,000 (cpu); writing 2 GiB of memory in blocks of 4 MiB, and 4
GiB in blocks of 8 MiB; reading and writing files at random places (rndrw, 2 GiB) and over again in order (seqrewr, 1
GiB) on ext2, and reading a file of the image, for which caches are dropped. There are as many threads as CPUs.

The results have throughput, latency, and the throughput of the native program divided by that of each way. What an
engine cannot run is n/a, with the reason. It needs root.
"""
import functools
import json
import os
import tempfile
from dataclasses import dataclass

from fixtures.paths import TOP, program

from .. import host_ways
from ..disks import Disk, drop_caches
from ..host_ways import Failed, Place, run_timed
from ..images import Images
from ..sysbench import DATA, Unreadable, all_work, read_output

HELP = "sysbench natively, in containers and in VMs: throughput, latency, overhead"
DESCRIPTION = __doc__
NEEDS_ROOT = True
RECIPE, IMAGE = "sysbench", "bench/sysbench:1"
REPETITIONS = 5
ENGINES = ("uml+boot", "qemu+tcg+boot", "qemu+kvm+boot", "cloud-hypervisor+kvm+boot")
MACHINES = ((1, 1024), (1, 2048), (2, 1024), (2, 2048))  # virtual CPUs, MiB
QUICK_MACHINES = ((1, 1024),)
LIMIT_MS, BOOT_S = 600_000, 300
IMAGE_DISKS = {"uml": "ubd, squashfs", "qemu": "pmem, squashfs", "cloud-hypervisor": "pmem, squashfs"}
FOLDER, LOOP = "a folder of the host", "raw file, ext2"


def add_arguments(parser):
    parser.add_argument("--repetitions", type=int, help=f"of each measurement (default: {REPETITIONS})")
    parser.add_argument("--engine", action="append", help="only these engines; may be given several times")
    parser.add_argument("--way", action="append", metavar="TEXT", help="only ways with this in their name")
    parser.add_argument("--work", action="append", metavar="TEXT", help="only work with this in its name")


@dataclass
class Host:
    """A way to run programs without a VM, on as many CPUs."""

    way: object
    root: str
    disk: Disk
    cpus: int

    def concerns(self, work):
        return True

    def labels(self, work):
        labels = {"way": self.way.name, "cpus": self.cpus}
        if work.needs:
            labels["disk"] = LOOP if work.needs == "write" else FOLDER
        return labels

    def reason_against(self, work):
        return None

    def run(self, work):
        if work.needs != "write":
            return self.run_at(work, [])
        with self.disk.mounted() as folder:
            return self.run_at(work, [(folder, DATA)])

    def run_at(self, work, folders):
        place = Place(self.root, [(os.path.join(self.root, "work"), "/work"), *folders])
        host_ways.make_mount_points(place)
        if work.needs:
            drop_caches()
        cpus = sorted(os.sched_getaffinity(0))[: self.cpus]
        return self.way.run(place, ["sh", "-c", work.script(self.cpus)], cpus).stdout


@dataclass
class Machine:
    """A VM for each run, with the image as its only disk."""

    engine: str
    store: str
    cpus: int
    memory_mib: int

    def disk(self):
        return IMAGE_DISKS[self.engine.split("+")[0]]

    def concerns(self, work):
        return True

    def labels(self, work):
        labels = {"way": self.engine, "cpus": self.cpus, "memory_mib": self.memory_mib}
        if work.needs:
            labels["disk"] = self.disk()
        return labels

    def reason_against(self, work):
        if work.needs == "write":
            return f"{self.disk()}: squashfs cannot be written"
        return None

    def probe(self):
        """Why the engine cannot make such a VM; None if it can."""
        try:
            self.run_script("true")
            return None
        except Failed as fault:
            return str(fault)

    def run(self, work):
        if work.needs:
            drop_caches()
        return self.run_script(work.script(self.cpus))

    def run_script(self, script):
        command = [program("pe-vm"), "task", "--engine", self.engine, "--image", IMAGE, "--store", self.store]
        command += ["--cpus", str(self.cpus), "--memory", str(self.memory_mib), "--cold", "--json"]
        command += ["--timeout", str(LIMIT_MS), "--", "sh", "-c", script]
        result = json.loads(run_timed(command, isolated=False).stdout)
        if (result["status"], result["exit_code"]) != ("exited", 0):
            raise Failed(f"the job ended with {result['status']}: {result['stderr'][-200:]}")
        return result["stdout"]


# In the guest of pe-vm: mounts the root file system and the disk with the files, and runs the rest in them.
WITH_DISKS = """
grep -q ext2 /proc/filesystems || {{ echo "the kernel of this guest has no ext2" >&2; exit 1; }}
mkdir -p /mnt/root && mount -o ro -t squashfs {0}a /mnt/root && mount -t ext2 {0}b /mnt/root/data || exit
mount -t tmpfs none /mnt/root/tmp && mount -t devtmpfs none /mnt/root/dev || exit
exec chroot /mnt/root sh -c "$1"
"""


@dataclass
class DiskMachine:
    """A VM for each run, with another disk, which can be written. `pe-vm create` makes it."""

    engine: str
    squashfs: str
    disk: Disk
    kind: str  # "raw" or "qcow2"
    folder: str
    cpus: int
    memory_mib: int

    def concerns(self, work):
        return bool(work.needs)

    def labels(self, work):
        device = "ubd" if self.engine.startswith("uml") else "virtio-blk"
        disk = f"{device}, {self.kind} file, ext2"
        return {"way": self.engine, "cpus": self.cpus, "memory_mib": self.memory_mib, "disk": disk}

    def reason_against(self, work):
        return None

    def probe(self):
        """Why there cannot be such a VM; None if there can."""
        if self.kind == "qcow2":
            self.disk.make_qcow2()
        try:
            self.run_script("true")
            return None
        except Failed as fault:
            return str(fault).replace(f"{os.path.dirname(self.disk.raw)}/", "")  # a folder of this run

    def run(self, work):
        drop_caches()
        return self.run_script(work.script(self.cpus))

    def pe_vm(self, command, *arguments):
        return run_timed([program("pe-vm"), command, "--run-dir", self.folder, *arguments], isolated=False).stdout

    def run_script(self, script):
        name, device = f"bench-{os.getpid()}", "/dev/ubd" if self.engine.startswith("uml") else "/dev/vd"
        disk = self.disk.raw if self.kind == "raw" else f"{self.disk.qcow2},qcow2"
        settings = ["--engine", self.engine.removesuffix("+boot"), "--cpus", str(self.cpus)]
        settings += ["--memory", str(self.memory_mib), "--disk", f"{self.squashfs},readonly", "--disk", disk]
        self.pe_vm("create", *settings, name)
        try:
            self.pe_vm("boot", "--wait", str(BOOT_S), name)
            return self.pe_vm(
                "exec", "--no-input", name, "--", "sh", "-c", WITH_DISKS.format(device), "sh", script
            )
        finally:
            self.pe_vm("delete", name)


# ---- the run ----

FIGURES = {"throughput": "throughput", "mean": "latency, mean", "p95": "latency, 95 %"}


def unit_of(figure, work):
    return work.unit if figure == "throughput" else "ms"


def not_available(run, target, work, reason):
    run.not_available("throughput", work.unit, reason, work=work.name, **target.labels(work))


def measure(run, target, work):
    labels = {"work": work.name, **target.labels(work)}
    try:
        figures = read_output(work, target.run(work))
    except (Failed, Unreadable) as fault:
        run.fail("throughput", work.unit, str(fault), **labels)
        return
    for figure, value in figures.items():
        run.add(FIGURES[figure], unit_of(figure, work), value, **labels)


def make_targets(run, works):
    options = run.options
    images = Images(os.path.join(TOP, "bench/pe-bench-data/recipes"), "bench-images")
    images.make(RECIPE, IMAGE)
    root = images.root(RECIPE, IMAGE)
    folder = run.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="ways-"))
    ways = host_ways.all_ways(folder)
    run.cleanup.callback(host_ways.close_all, ways)
    disk = Disk(folder, root, run.quick)
    if any(work.needs for work in works):
        run.progress.say("making a disk with the files of sysbench")
        disk.make(ways[0])
    machines = QUICK_MACHINES if run.quick else MACHINES
    cpus = sorted({one for one, _ in machines})
    targets = [Host(way, root, disk, number) for way in ways for number in cpus]
    for engine in options.engine or ENGINES:
        targets += [Machine(engine, images.store, number, memory) for number, memory in machines]
        if any(work.needs for work in works):
            squashfs = images.squashfs(IMAGE)
            targets += [
                DiskMachine(engine, squashfs, disk, kind, f"{folder}/vms", number, memory)
                for kind in ("raw", "qcow2")
                for number, memory in machines
            ]
    chosen = [
        one
        for one in targets
        if not options.way or any(text in one.labels(works[0])["way"] for text in options.way)
    ]
    return [(one, *reason_for(run, one)) for one in chosen]


@functools.cache
def reason_against_way(way):
    return way.missing()


def reason_for(run, target):
    """(Why nothing can be measured with this target, or None,)"""
    if isinstance(target, Host):
        return (reason_against_way(target.way),)
    disk = f" and a {target.kind} disk" if isinstance(target, DiskMachine) else ""
    run.progress.say(f"trying {target.engine}: {target.cpus} virtual CPUs, {target.memory_mib} MiB{disk}")
    return (target.probe(),)


def chosen_work(run):
    texts = run.options.work
    return [one for one in all_work(run.quick) if not texts or any(text in one.name for text in texts)]


def run(run):
    works = chosen_work(run)
    targets = make_targets(run, works)
    possible = {work: [] for work in works}
    for work in works:
        for target, missing in targets:
            if not target.concerns(work):
                continue
            reason = missing or target.reason_against(work)
            not_available(run, target, work, reason)  # also None, so that the results have this order
            if reason is None:
                possible[work].append(target)
    repetitions = run.options.repetitions or (1 if run.quick else REPETITIONS)
    steps = {f"repetition {n + 1}: {work.name}": work for n in range(repetitions) for work in works}
    for name in run.todo(list(steps)):
        with run.step(name):
            for target in run.shuffled(possible[steps[name]]):
                measure(run, target, steps[name])
    add_overhead(run)
    run.answer(sentence(run.all_series()))


# ---- overhead ----


def mean(values):
    return sum(values) / len(values)


def natives(series):
    """The mean throughput of the native program, by work and number of CPUs."""
    return {
        (one["labels"]["work"], one["labels"]["cpus"]): mean(one["samples"])
        for one in series
        if one["name"] == "throughput" and one["labels"]["way"] == "native" and one["samples"]
    }


def overheads(series):
    """(labels, how many times the native program is faster) of each way that has figures."""
    native = natives(series)
    found = []
    for one in series:
        key = (one["labels"].get("work"), one["labels"].get("cpus"))
        if one["name"] == "throughput" and one["samples"] and native.get(key):
            found.append((one["labels"], native[key] / mean(one["samples"])))
    return found


def add_overhead(run):
    for labels, times in overheads(list(run.all_series())):
        run.set("overhead against native", "times", round(times, 4), **labels)


def sentence(series):
    """The overhead of each way, as the range over all kinds of work."""
    ranges = {}
    for labels, times in overheads(series):
        if labels["way"] != "native":
            ranges.setdefault(labels["way"], []).append(times)
    if not ranges:
        return "There are no figures both of the native program and of another way."
    texts = [f"{min(all_times):.2g} to {max(all_times):.2g} times in {way}" for way, all_times in ranges.items()]
    return "Compared with the native program, the same work takes " + ", ".join(texts) + "."
