# SPDX-License-Identifier: Apache-2.0
"""The service under test: a balancer and several workers, with networks, disks and a wall clock that
faults.py makes bad. What has ended is started again, as an init system does."""
import contextlib
import os
import threading
import time

from fixtures import balancer as balancer_module
from fixtures import processes
from fixtures.balancer import Balancer
from fixtures.http_client import HttpService
from fixtures.network import Network
from fixtures.small_disk import SmallDisk
from fixtures.wall_clock import WallClock
from fixtures.worker import Worker

RESTART_S = 0.5
DISK_MIB = 64


class FarWorker:
    """A worker, its network to the balancer, and its disk."""

    def __init__(self, network, engine, slots):
        self.network, self.disk, self.worker = network, None, None
        try:
            self.start(engine, slots)
        except BaseException:
            self.close()
            raise

    def start(self, engine, slots):
        self.disk = SmallDisk(DISK_MIB)
        options = ("--vmm", engine, "--state", f"{self.disk.path}/state")
        self.worker = Worker(self.network.url, *options, slots=slots, wrapper=self.network.wrapper)
        self.worker.start()

    def close(self):
        with contextlib.ExitStack() as parts:  # the last one first
            parts.callback(self.network.close)
            for part, end in (self.disk, "remove"), (self.worker, "close"):
                if part:
                    parts.callback(getattr(part, end))


class Farm:
    """`make_network(upstream, seed)` makes the network of a worker."""

    def __init__(self, engine, workers, slots, folder, seed, make_network=Network):
        self.slots, self.closing, self.restarts = workers * slots, False, []
        self.closed = threading.Event()
        self.expected_ends = set()  # processes that a fault ends
        self.workers, self.near_client, self.balancer, self.keeper = [], None, None, None
        self.disk, self.clock = SmallDisk(DISK_MIB), WallClock(folder)
        try:
            self.start(engine, workers, slots, seed, make_network)
        except BaseException:
            self.close()
            raise

    def start(self, engine, workers, slots, seed, make_network):
        # Only pe-lb: other programs of the tests need no other clock.
        balancer_module.ENVIRONMENT.update(self.clock.environment)
        disk = ("--spool-dir", self.disk.path, "--cache-dir", f"{self.disk.path}/results")
        self.balancer = Balancer("--queue-wait-ms", "60000", *disk, quick=False, unix=False)
        self.direct = HttpService(self.balancer.tcp)
        self.near_client = Network(self.balancer.tcp, seed)
        for number in range(workers):
            network = make_network(self.balancer.tcp, seed + 1 + number)
            self.workers.append(FarWorker(network, engine, slots))
        self.keeper = threading.Thread(target=self.keep_running, daemon=True)
        self.keeper.start()

    # ---- starting again what has ended ----

    def keep_running(self):
        while not self.closing:
            time.sleep(0.1)
            for part in (self.balancer, *(far.worker for far in self.workers)):
                self.restart(part)
        # What a thread has started with --die-with-parent dies with the thread.
        self.closed.wait()

    def restart(self, part):
        status = part.process.poll()
        if status is None:
            return
        if part.process.pid not in self.expected_ends:
            self.restarts.append(f"{part.log_file.name} ended by itself with status {status}")
        time.sleep(RESTART_S)
        while not self.closing:
            try:
                part.start()
                return
            except (OSError, AssertionError):
                time.sleep(RESTART_S)

    # ---- its state ----

    def health(self):
        """The body of /healthz, or nothing if the balancer does not answer."""
        try:
            return self.direct.request("GET", "/healthz", timeout=2).json()
        except Exception:  # whatever a balancer that dies or stands still leads to
            return {"hosts": 0, "slots": 0, "ready": 0, "running": 0, "queued": 0}

    def has_all_slots(self, health=None):
        """Whether every slot runs and is connected."""
        health = health or self.health()
        return health["hosts"] == len(self.workers) and health["slots"] == self.slots == self.running_slots()

    def has_full_capacity(self):
        """Whether every slot, too, has a job or waits for one."""
        health = self.health()
        return self.has_all_slots(health) and health["ready"] + health["running"] >= self.slots

    def running_slots(self):
        below = set().union(*(processes.descendants(far.worker.process.pid) for far in self.workers))
        names = [processes.command_name(pid) for pid in below if processes.is_running(pid)]
        return names.count("pe-slot")

    def is_idle(self):
        health = self.health()
        return self.has_full_capacity() and health["ready"] == self.slots

    def answered_twice(self):
        """Requests for which the balancer logged more than one answer."""
        seen, twice = set(), []
        for line in self.balancer.log().splitlines():
            if ' msg="job: ' in line and "request=" in line:
                name = line.split("request=")[1].split(" ")[0]
                if name in seen:
                    twice.append(name)
                seen.add(name)
        return twice

    def below(self):
        """All processes of the service."""
        roots = {self.balancer.process.pid, *(far.worker.process.pid for far in self.workers)}
        return roots.union(*map(processes.descendants, roots))

    def inventory(self):
        """What could leak, by name. Only what grows with the number of jobs or faults is a leak."""
        balancer, mains = self.balancer.process.pid, [far.worker.process.pid for far in self.workers]
        below = set(mains).union(*map(processes.descendants, mains))
        ours = [pid for pid in below if processes.command_name(pid).startswith("pe-")]
        vmms = set().union(*(far.worker.vmms() for far in self.workers))
        # What runs in a VMM comes and goes with the guest's programs, and ends with the VMM.
        programs = set().union(*map(processes.descendants, vmms))
        files = sum(count_files(far.worker.folder.name) for far in self.workers)
        return {
            "VMMs": len(vmms),
            "other processes of the workers": len(below - vmms - programs),
            "descriptors of the balancer": count_files(f"/proc/{balancer}/fd"),
            "descriptors of the workers": sum(count_files(f"/proc/{pid}/fd") for pid in ours),
            "files of the workers": files + sum(count_files(far.disk.path) for far in self.workers),
            "files in the balancer's folders": count_files(self.disk.path),
            "cgroups of VMs": count_cgroups(mains),
            "files in /dev/shm": count_files("/dev/shm"),
            "mounts": count_lines("/proc/mounts"),
        }

    def memory_mib(self):
        pids = [self.balancer.process.pid, *(far.worker.process.pid for far in self.workers)]
        return {
            "memory of the balancer": resident_mib(pids[0]),
            "memory of the workers": sum(map(resident_mib, pids[1:])),
        }

    def close(self):
        self.closing, errors = True, []
        parts = [*self.workers, self.near_client, self.balancer]
        for part in filter(None, parts):
            try:
                part.end() if part is self.balancer else part.close()
            except AssertionError as error:
                errors.append(str(error))
        self.closed.set()
        if self.keeper:
            self.keeper.join()
        self.disk.remove()
        return errors


def count_files(folder):
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def count_lines(path):
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)


def count_cgroups(owners):
    """Those of VMs of these workers, whose slots and helpers have the cgroups under their own ids."""
    alive = {str(pid) for owner in owners for pid in (owner, *processes.descendants(owner))}
    found = 0
    for _, folders, _ in os.walk("/sys/fs/cgroup"):
        found += sum(name.startswith("pe-vm-") and name.split("-")[2] in alive for name in folders)
    return found


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
