# SPDX-License-Identifier: Apache-2.0
"""How many warm VMs fit on this machine.

Warm VMs are added step by step, and wait for a job that does not come. After each step a few more
VMs run a job, one after the other. It ends when the memory is used up (--memory-limit, or what is
free at the start), when these jobs have become slower by more than --slower, or with --most VMs.
The job is slower if its median is, if such a difference would come by chance in less than one of 20
cases, and if a second set of jobs confirms it. With --jobs below 4, that is never so. The memory is
the sum of the PSS of all VMs, with their pe-vm processes, so that what VMs share counts once. At
the end all VMs are idle, and the memory and the CPU time of each of them are measured.
"""
import time

from .. import processes
from ..crowd import available_mib, memory_of
from ..errors import BenchError
from ..samples import SIGNIFICANT, chance, change, percentile
from ..vms import Vms, add_vm_arguments, closing_all, problem_of

HELP = "how many warm VMs fit until memory is used up or jobs become slower"
DESCRIPTION = __doc__
GOAL_VMS, GOAL_MIB = 200, 24 * 1024
QUICK_MOST, QUICK_BATCH, QUICK_JOBS, QUICK_IDLE_S = 6, 3, 5, 3
MEMORY_LEFT_MIB = 512
LEAST_JOBS = 4  # with fewer, no difference is significant
MOST_SAMPLES = 1000  # of a series that has a sample for each VM


def add_arguments(parser):
    parser.add_argument(
        "--memory-limit",
        type=int,
        metavar="MIB",
        help="what all VMs may use (default: what is free)",
    )
    parser.add_argument(
        "--slower",
        default="10%",
        metavar="P%",
        help="end when jobs are so much slower (default 10%%)",
    )
    parser.add_argument(
        "--most", type=int, default=1000, metavar="N", help="end with so many VMs (default 1000)"
    )
    parser.add_argument(
        "--batch", type=int, default=10, metavar="N", help="VMs that are added at once (default 10)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=20,
        metavar="N",
        help="jobs that are timed at a step (default 20)",
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=20,
        metavar="S",
        help="how long CPU time is measured (default 20)",
    )
    add_vm_arguments(parser, several_engines=False)


def parse_share(text):
    """A share from a text such as "10%" or "10"."""
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError as fault:
        raise BenchError(f"'{text}' is not a share; 10% is one") from fault
    if share <= 0:
        raise BenchError(f"'{text}' must be more than 0 %")
    return share


def spread(items):
    """The items, or MOST_SAMPLES of them at most, which are evenly distributed."""
    return items[:: -(-len(items) // MOST_SAMPLES) or 1]


class Crowd:
    """Warm VMs that wait, and what they use."""

    def __init__(self, vms):
        self.vms, self.tasks = vms, []

    def add(self, count):
        """Start more VMs. Returns why one of them did not become ready, or None."""
        new = [self.vms.start(True) for _ in range(count)]
        self.tasks += new
        self.vms.await_ready(new)
        failed = [task for task in new if task.failure]
        for task in failed:
            task.close()
            self.tasks.remove(task)
        return failed[0].failure if failed else None

    def pids_of_each(self, first=0):
        """The processes of each VM, from the VM with the number `first` on, without its pe-vm."""
        return [task.vmm_pids() for task in self.tasks[first:]]

    def pids(self):
        """The processes of all VMs, with the pe-vm processes that hold them."""
        return processes.with_descendants([task.process.pid for task in self.tasks])

    def close(self):
        with closing_all(self.tasks):
            pass


class Density:
    """The search, and what it has found."""

    def __init__(self, run):
        options = run.options
        self.run, self.quick = run, run.quick
        self.slower = parse_share(options.slower)
        self.limit = options.memory_limit or available_mib() - MEMORY_LEFT_MIB
        self.most = min(options.most, QUICK_MOST) if run.quick else options.most
        self.batch = min(options.batch, QUICK_BATCH) if run.quick else options.batch
        self.jobs = min(options.jobs, QUICK_JOBS) if run.quick else options.jobs
        self.idle_s = min(options.idle, QUICK_IDLE_S) if run.quick else options.idle
        self.vms = Vms(run, options.engine)
        self.crowd = Crowd(self.vms)
        run.cleanup.callback(self.crowd.close)
        self.alone = []  # times of jobs with no warm VM beside them
        self.beside = []  # and those of the last step
        self.used_mib, self.end = 0, None
        self.fitting = 0  # the most VMs that kept the limits

    def time_jobs(self):
        """Times of jobs in VMs of their own, in ms."""
        times, labels = [], {**self.vms.labels, "vms": len(self.crowd.tasks)}
        for _ in range(self.jobs):
            with closing_all([self.vms.start(False)]) as (task,):
                self.vms.await_end([task])
                if problem := problem_of(task):
                    self.run.fail("job", "ms", problem, **labels)
                else:
                    times.append(task.ended["host_us"]["job"] / 1000)
                    self.run.add("job", "ms", times[-1], **labels)
                    self.run.add("ready", "ms", task.ended["host_us"]["ready"] / 1000, **labels)
        return times

    def step(self):
        """Add VMs, and see whether the limits still hold. Sets `end` to the reason if they do
        not."""
        wanted = min(self.batch, self.most - len(self.crowd.tasks))
        each = self.used_mib / len(self.crowd.tasks) if self.crowd.tasks else 0
        if self.used_mib + each * wanted > self.limit:  # only as many as will fit
            wanted = max(1, int((self.limit - self.used_mib) / each))
        before = len(self.crowd.tasks)
        failure = self.crowd.add(wanted)
        self.used_mib = memory_of(self.crowd.pids())["pss"]
        labels = {**self.vms.labels, "vms": len(self.crowd.tasks)}
        self.run.add("memory of all VMs", "MiB", self.used_mib, **labels)
        self.add_memory_of_each("new", self.crowd.pids_of_each(before), labels)
        times = self.beside = self.time_jobs()
        if failure:
            self.end = f"no further VM could be made: {failure}"
        elif self.used_mib > self.limit:
            self.end = f"the memory of {self.limit:,.0f} MiB was used up"
        elif self.is_slower(times) and self.is_slower(self.time_jobs()):  # not only for a moment
            self.end = f"jobs had become {change(self.alone, times) * 100:.0f} % slower"
        else:
            self.fitting = len(self.crowd.tasks)
            if self.fitting >= self.most:
                self.end = "no more were to be tried"

    def is_slower(self, times):
        by = change(self.alone, times)
        return by is not None and by > self.slower and chance(self.alone, times) < SIGNIFICANT

    def add_memory_of_each(self, which, each, labels):
        """A sample for each of the VMs whose processes `each` has."""
        for pids in spread(each):
            memory = memory_of(pids)
            if memory["pss"]:  # otherwise it has ended
                parts = {"PSS": memory["pss"], "shared part": memory["pss"] - memory["private"]}
                for name, mib in {**parts, "private part": memory["private"]}.items():
                    self.run.add(f"{name} of each {which} VM", "MiB", round(mib, 4), **labels)

    def measure_idle(self):
        """Memory and CPU time of the VMs, when all of them are idle: on average, and of each."""
        each, labels = self.crowd.pids_of_each(), self.vms.labels
        if not each:
            return
        vmms = [pid for pids in each for pid in pids]
        memory, whole, count = memory_of(vmms), memory_of(self.crowd.pids()), len(each)
        self.run.add("PSS of an idle VM", "MiB", memory["pss"] / count, **labels)
        self.run.add("of that shared", "MiB", (memory["pss"] - memory["private"]) / count, **labels)
        self.run.add("PSS of its pe-vm", "MiB", (whole["pss"] - memory["pss"]) / count, **labels)
        shares = self.cpu_shares(each)
        self.run.add("CPU of an idle VM", "% of a core", sum(shares) / count * 100, **labels)
        self.add_memory_of_each("idle", each, labels)
        for share in spread(shares):
            self.run.add("CPU of each idle VM", "% of a core", round(share * 100, 4), **labels)

    def cpu_shares(self, each):
        """The CPU time that each VM uses in a second, in seconds."""
        before = [(processes.cpu_seconds(pids), time.monotonic()) for pids in each]
        time.sleep(self.idle_s)
        return [
            (processes.cpu_seconds(pids) - used) / (time.monotonic() - began)
            for pids, (used, began) in zip(each, before)
        ]

    def jobs_text(self):
        """How the time of jobs has changed, and whether that could end the search."""
        by = change(self.alone, self.beside)
        if by is None:
            return "no job beside them succeeded"
        text = f"jobs beside them took {abs(by) * 100:.0f} % {'more' if by >= 0 else 'less'} time than alone"
        if min(len(self.alone), len(self.beside)) < LEAST_JOBS:
            return f"{text}, of too few jobs to tell whether they are slower"
        return text

    def answer(self):
        """The result in one sentence."""
        vms, count = self.vms, max(len(self.crowd.tasks), 1)
        each = self.used_mib / count
        fit = int(GOAL_MIB / each) if each else 0
        goal = (
            f"about {fit} would fit into {GOAL_MIB // 1024} GiB, where the goal is {GOAL_VMS}"
            if fit
            else "none fits"
        )
        return (
            f"{self.fitting} warm VMs of {vms.engine} for {vms.options.image} fit on this machine, "
            f"with {each:.1f} MiB each, and it ended because {self.end}; {self.jobs_text()}; by their "
            f"memory {goal}."
        )


def run(run):
    """One step, because the VMs of earlier steps would be needed to go on."""
    for name in run.todo(["warm VMs"]):
        density = Density(run)
        with run.step(name):
            density.alone = density.time_jobs()
            if not density.alone:
                raise BenchError(
                    f"no job could be run with {density.vms.engine}, so nothing can be compared"
                )
            while not density.end:
                density.step()
                run.progress.say(
                    f"{len(density.crowd.tasks)} VMs, "
                    f"{density.used_mib:,.0f} of {density.limit:,.0f} MiB"
                )
            density.measure_idle()
        run.answer(density.answer())
