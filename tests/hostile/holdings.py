# SPDX-License-Identifier: Apache-2.0
"""What a service holds of its host: processes, descriptors, memory, files, mounts and cgroups. A service
that has run any number of jobs and waits again holds what it held before."""
import contextlib
import os
import re
import time

from fixtures import processes
from fixtures.vmm import cgroups_of
from fixtures.waiting import PATIENCE, eventually

# Memory of a process's own that may grow: what its heap keeps (worker/heap.h), and fragments. The memory of
# one large result, or of one VM, would be more.
GROWTH_KIB = 16 * 1024


def private_kib(pid):
    """Memory that only this process has. Memory of VMs is shared, and goes with its descriptors."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(dict(line.split(":", 1) for line in file).get("RssAnon", "0 kB").split()[0])


def shape(text):
    """A name without the numbers in it, also in hexadecimal, which are new for each VM."""
    return re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", text)


def descriptors(pid):
    """What the open descriptors of a process lead to."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            found.append(shape(os.readlink(entry.path)))
    return sorted(found)


class Holdings:
    """What a service holds at this moment. `kinds` is compared for equality, `kib` for growth."""

    def __init__(self, service):
        worker, balancer = service.worker.process.pid, service.balancer.process.pid
        below = processes.descendants(worker)
        vmms = set(service.worker.vmms())
        inside = vmms.union(*map(processes.descendants, vmms))
        lasting = {balancer, worker} | below - inside  # not those of VMs, which are new for each job
        self.kib = {pid: private_kib(pid) for pid in lasting}
        with open(f"/proc/{worker}/mounts", encoding="utf-8") as file:
            mounts = [line for line in file if service.worker.folder.name in line]
        self.kinds = {
            "VMMs": len(vmms),
            "processes": {pid: processes.command_name(pid) for pid in lasting},
            "descriptors": {pid: descriptors(pid) for pid in lasting},
            "files": sorted(map(shape, service.worker.leftovers())),
            "cgroups": sorted(os.path.dirname(path) for pid in lasting for path in cgroups_of(pid)),
            "mounts": mounts,
        }

    @classmethod
    def settled(cls, service):
        """What a service holds while it waits for jobs, when it has prepared for the next ones."""
        found = [None, None]

        def is_settled():
            service.wait_until(lambda health: health["ready"] == service.slots, "all slots wait")
            with contextlib.suppress(OSError):  # a process ended meanwhile
                found[:] = found[1], cls(service)
            time.sleep(0.2)
            return (
                None not in found
                and found[0].kinds == found[1].kinds
                and found[1].kinds["VMMs"] == len(service.worker.helpers()) == service.slots
            )

        eventually(is_settled, "a service that waits for jobs changes nothing")
        return found[1]

    def more(self, after):
        """What is held that was not held before: {kind: (before, after)}. A process that made a template
        may have ended in the meantime, which is no fault."""
        lasting = after.kib.keys() & self.kib.keys()
        changed = {
            kind: (before, after.kinds[kind])
            for kind, before in self.kinds.items()
            if not isinstance(before, dict) and before != after.kinds[kind]
        }
        new = {pid: processes.command_line(pid) for pid in after.kib.keys() - self.kib.keys()}
        if new:
            changed["processes"] = new
        for pid in lasting:
            before, now = (one.kinds["descriptors"][pid] for one in (self, after))
            if before != now:
                changed[f"descriptors of {processes.command_name(pid)}"] = (before, now)
        return changed

    def assert_same(self, service):
        """Nothing was left since then, and no process of the service died."""
        end = time.monotonic() + PATIENCE
        after = Holdings.settled(service)
        while self.more(after) and time.monotonic() < end:
            after = Holdings.settled(service)
        assert not self.more(after), self.more(after)
        grown = {
            processes.command_line(pid): kib - self.kib[pid]
            for pid, kib in after.kib.items()
            if pid in self.kib and kib - self.kib[pid] > GROWTH_KIB
        }
        assert not grown, f"memory of processes that grew, in KiB: {grown}"
