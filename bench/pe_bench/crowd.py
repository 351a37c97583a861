# SPDX-License-Identifier: Apache-2.0
"""Many VMs at once: one crowd of VMs is made, held until all are ready, and then all run their
job."""
import os
import time

from . import machine, processes
from .vms import add_phases, closing_all, problem_of


def memory_of(pids):
    """The memory of processes together, in MiB: `pss`, `shared` and `private`."""
    found = [kib for pid in pids if (kib := processes.memory_kib(pid))]
    return {key: sum(kib[key] for kib in found) / 1024 for key in ("pss", "shared", "private")}


def available_mib():
    """The memory that can be had without swapping (MemAvailable in proc(5))."""
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":") for line in file)
    return int(fields["MemAvailable"].split()[0]) / 1024


def cpu_seconds_below():
    """The CPU time of all processes that this one has started, of those that it has waited for as
    well."""
    ended = os.times()
    return (
        processes.cpu_seconds(processes.descendants(os.getpid()))
        + ended.children_user
        + ended.children_system
    )


def measure(run, vms, count):
    """Make `count` VMs at once, let all of them run their job at once, and add what that took."""
    labels = {**vms.labels, "vms": count}
    cpu_before, began = cpu_seconds_below(), time.monotonic()
    tasks = []
    with closing_all(tasks):
        for _ in range(count):
            tasks.append(vms.start(True))
        vms.await_ready(tasks)
        add_memory(run, tasks, labels)
        add_rate(run, "VMs made", [task.ready_at for task in tasks if task.ready_at], began, labels)
        time.sleep(vms.settle_ms / 1000)
        went = time.monotonic()
        for task in tasks:
            task.go()
        vms.await_end(tasks)
        add_rate(
            run, "jobs", [task.ended_at for task in tasks if not problem_of(task)], went, labels
        )
        elapsed = time.monotonic() - began
        for task in tasks:
            add_phases(run, task, **labels)
    run.add("CPU", "cores", (cpu_seconds_below() - cpu_before) / elapsed, **labels)
    run.add("load of the host", "processes", machine.load()[0], **labels)


def add_memory(run, tasks, labels):
    """The memory of a VM that is ready: an average, so that the parts that VMs share count."""
    ready = [task for task in tasks if task.vmm_pids()]
    if not ready:
        return
    memory = memory_of([pid for task in ready for pid in task.vmm_pids()])
    run.add("PSS of a VM", "MiB", memory["pss"] / len(ready), **labels)
    run.add("memory of a VM alone", "MiB", memory["private"] / len(ready), **labels)


def add_rate(run, name, times, began, labels):
    """How many of something were done in a second, from the first to the last."""
    if times and max(times) > began:
        run.add(name, "1/s", len(times) / (max(times) - began), **labels)
    else:
        run.fail(name, "1/s", "none was done", **labels)
