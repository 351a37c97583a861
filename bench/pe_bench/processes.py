# SPDX-License-Identifier: Apache-2.0
"""The processes that a measurement starts, and what they use: memory, CPU time."""
import contextlib
import ctypes
import os
import signal
import time

from fixtures.processes import adopt_orphans, descendants, parent_of

__all__ = [
    "adopt_orphans",
    "cpu_seconds",
    "descendants",
    "end_all_children",
    "memory_kib",
    "with_descendants",
]

PR_SET_PDEATHSIG = 1
PATIENCE_S = 10  # until a process has ended that was asked to


def die_with_parent():
    """For `preexec_fn`: the new process ends when pe-bench does, in whatever way that ends. Only
    for processes that the main thread starts: the signal comes when the thread ends that started
    the process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def send(pid, number):
    """Send a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def reap(options):
    """Wait for every child (0), or only for those that have ended (WNOHANG)."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def end_all_children(patience_s=PATIENCE_S):
    """End and reap every process below this one. Orphans are among them after adopt_orphans.

    Children are asked to end, and those that become children because their parent has ended: pe-vm and pe-worker
    then remove folders and cgroups of their VMs. What still runs after that time is killed."""
    asked, deadline = set(), time.monotonic() + patience_s
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        children = {pid for pid in left if parent_of(pid) == os.getpid()}
        for pid in children - asked:
            send(pid, signal.SIGTERM)
        asked |= children
        reap(os.WNOHANG)
        time.sleep(0.02)
    for pid in left:
        send(pid, signal.SIGKILL)
    reap(0)


def with_descendants(pids):
    """These processes and all below them, each once."""
    return sorted({pid for root in pids for pid in [root, *descendants(root)]})


def memory_kib(pid):
    """The memory of a process in KiB, from /proc/PID/smaps_rollup: `pss` (shared pages divided
    among those that share them), `rss`, `shared` (the part of rss that other processes map as well)
    and `private`. None for a process that has ended. Processes of other users can be read by root
    only."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            fields = dict(line.split()[:2] for line in list(file)[1:])
    except (FileNotFoundError, ProcessLookupError):
        return None
    kib = {name.rstrip(":"): int(value) for name, value in fields.items()}
    return {
        "pss": kib["Pss"],
        "rss": kib["Rss"],
        "shared": kib["Shared_Clean"] + kib["Shared_Dirty"],
        "private": kib["Private_Clean"] + kib["Private_Dirty"],
    }


def cpu_seconds(pids):
    """The time that these processes have spent on CPUs, in nanoseconds' resolution: that of
    /proc/PID/stat has ticks of 10 ms. Processes that have ended count as 0."""
    total = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9
