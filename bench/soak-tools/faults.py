# SPDX-License-Identifier: Apache-2.0
"""The faults, and how they are caused at random, one or two at a time."""
import collections
import contextlib
import os
import random
import resource
import signal
import threading
import time

from fixtures import processes
from fixtures.network import DOWN, UP

RECOVERY_S, STEADY_S, GIVE_UP_S = 10, 0.7, 120
RARE = 0.08  # share of stops and partitions that are longer than the 15 s of silence that end a connection
REST_S = 2  # at most, between two faults


class Faults(threading.Thread):
    """Causes faults of these kinds until it is stopped. Everything that is chosen comes from `seed`."""

    def __init__(self, farm, seed, tell, kinds=None):
        super().__init__(daemon=True)
        self.kinds = kinds or FAULTS
        self.farm, self.chance, self.tell = farm, random.Random(seed), tell
        self.stopping, self.periods, self.counts = False, [], collections.Counter()
        self.recoveries = []  # seconds, names of the faults
        self.lock = threading.Lock()

    # ---- what clients may see ----

    def explain(self, began, ended):
        """Whether there was a fault, or the recovery from one, while a request was under way."""
        with self.lock:
            return any(begin <= ended and began <= end for begin, end in self.periods)

    # ---- the loop ----

    def run(self):
        while not self.stopping:
            time.sleep(self.chance.random() * REST_S)
            self.cause(self.chance.sample(self.kinds, self.chance.choice([1, 1, 2])))

    def cause(self, kinds):
        names, period = [], [time.monotonic(), float("inf")]
        with self.lock:
            self.periods.append(period)
        with contextlib.ExitStack() as ends:
            hold = 0
            for kind in kinds:
                name, seconds = kind(self, ends)
                self.counts[kind.__name__.replace("_", " ")] += 1
                names.append(name)
                hold = max(hold, seconds)
            self.tell("fault: " + "; ".join(names) + (f", for {hold:.1f} s" if hold else ""))
            self.sleep(hold)
        seconds = self.wait_for_recovery()
        self.recoveries.append((seconds, "; ".join(names)))
        self.tell(f"full capacity after {seconds:.1f} s")
        period[1] = time.monotonic() + 1

    def sleep(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.stopping:
            time.sleep(0.05)

    def wait_for_recovery(self):
        """Seconds until all slots were there, and had a job or waited for one. They have to stay there for
        STEADY_S, because what has ended may not be known at first. A slot that makes its next VM has neither:
        on a busy machine, it is rare that no slot does."""
        began = since = now = time.monotonic()
        while now - began < GIVE_UP_S:
            if not self.farm.has_all_slots():
                since = time.monotonic()
            elif now - since >= STEADY_S and self.farm.has_full_capacity():
                break
            time.sleep(0.02)
            now = time.monotonic()
        return max(0, now - STEADY_S - began)

    # ---- choices ----

    def seconds(self, least, most):
        return least + (most - least) * self.chance.random()

    def stop_seconds(self):
        return self.seconds(16, 20) if self.chance.random() < RARE else self.seconds(0.5, 5)

    def network(self):
        """A network, and its name."""
        number = self.chance.randrange(len(self.farm.workers) + 1)
        if number == len(self.farm.workers):
            return self.farm.near_client, "the clients' network"
        return self.farm.workers[number].network, f"the network of worker {number + 1}"

    def process_of_a_worker(self):
        """A process below a worker. The processes in which a User Mode Linux kernel runs its programs are
        left out: to the guest, the end of one is the end of a program."""
        far = self.chance.choice(self.farm.workers)
        below = processes.descendants(far.worker.process.pid)
        vmms = far.worker.vmms()
        below -= set().union(*map(processes.descendants, vmms))
        pids = sorted(pid for pid in below if processes.is_running(pid))
        if not pids:
            return far.worker.process.pid, "pe-worker"
        pid = self.chance.choice(pids)
        return pid, "a VMM" if pid in vmms else processes.command_name(pid)


# ---- faults of the network: each returns its name and how long it is to last ----


def slow_network(faults, ends):
    network, name = faults.network()
    delay, loss = faults.seconds(0, 0.3), faults.seconds(0, 0.1)
    network.shape(delay_s=delay, jitter_s=delay, loss=loss)
    ends.callback(network.shape)
    return f"{name}: {delay * 1000:.0f} ms, {loss:.0%} lost", faults.seconds(2, 6)


def narrow_network(faults, ends):
    network, name = faults.network()
    rate = int(faults.seconds(100_000, 1_000_000))
    network.shape(bytes_per_s=rate)
    ends.callback(network.shape)
    return f"{name}: {rate // 1000} kB/s for each connection", faults.seconds(2, 6)


def one_way_network(faults, ends):
    network, name = faults.network()
    direction = faults.chance.choice([UP, DOWN])
    network.stall(direction)
    ends.callback(network.heal)
    return f"{name}: nothing passes {direction}", faults.stop_seconds()


def partition(faults, ends):
    network, name = faults.network()
    network.partition()
    ends.callback(network.heal)
    return f"{name}: a partition", faults.stop_seconds()


def cut_connections(faults, ends):
    network, name = faults.network()
    reset, share = faults.chance.random() < 0.5, faults.chance.choice([0.3, 1])
    count = network.cut(reset, share)
    return f"{name}: {count} connections cut with {'RST' if reset else 'FIN'}", 0


def cut_in_a_message(faults, ends):
    network, name = faults.network()
    size, direction = faults.chance.randrange(1, 30_000), faults.chance.choice([UP, DOWN])
    network.cut_after(direction, size)
    ends.callback(network.cut_after, direction, None)
    return f"{name}: cut after {size} bytes {direction}", faults.seconds(1, 2)


# ---- faults of processes ----


def kill_a_process(faults, ends):
    pid, name = faults.process_of_a_worker()
    faults.farm.expected_ends.add(pid)
    processes.kill_hard(pid)
    return f"kill -9 of {name}", 0


def kill_a_worker(faults, ends):
    number = faults.chance.randrange(len(faults.farm.workers))
    pid = faults.farm.workers[number].worker.process.pid
    faults.farm.expected_ends.add(pid)
    processes.kill_hard(pid)
    return f"kill -9 of worker {number + 1}", 0


def kill_the_balancer(faults, ends):
    pid = faults.farm.balancer.process.pid
    faults.farm.expected_ends.add(pid)
    processes.kill_hard(pid)
    return "kill -9 of the balancer", 0


def kill_the_store_helper(faults, ends):
    for pid in processes.descendants(faults.farm.balancer.process.pid):
        processes.kill_hard(pid)
    return "kill -9 of the store helper", 0


def resume(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def stop(pid, ends):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    ends.callback(resume, pid)


def stop_a_process(faults, ends):
    pid, name = faults.process_of_a_worker()
    stop(pid, ends)
    return f"SIGSTOP of {name}", faults.stop_seconds()


def stop_the_balancer(faults, ends):
    stop(faults.farm.balancer.process.pid, ends)
    return "SIGSTOP of the balancer", faults.seconds(0.5, 4)


# ---- faults of the machine ----


def fill_a_disk(faults, ends):
    number = faults.chance.randrange(len(faults.farm.workers) + 1)
    is_balancer = number == len(faults.farm.workers)
    disk = faults.farm.disk if is_balancer else faults.farm.workers[number].disk
    disk.fill()
    ends.callback(disk.free)
    who = "the balancer" if is_balancer else f"worker {number + 1}"
    return f"the disk of {who} is full", faults.seconds(1, 4)


def take_descriptors(faults, ends):
    pid = faults.farm.balancer.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    ends.callback(set_limit, pid, resource.RLIMIT_NOFILE, limits)
    return "the balancer has no descriptors left", faults.seconds(1, 3)


def take_memory(faults, ends):
    """An allocation that fails ends the balancer, as libh2o cannot do without."""
    pid = faults.farm.balancer.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_AS)
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        used = int(file.read().split()[0]) * 4096
    faults.farm.expected_ends.add(pid)
    resource.prlimit(pid, resource.RLIMIT_AS, (used + (1 << 20), limits[1]))
    ends.callback(set_limit, pid, resource.RLIMIT_AS, limits)
    return "the balancer has no memory left", faults.seconds(1, 3)


def set_limit(pid, what, limits):
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, what, limits)


def set_the_clock(faults, ends):
    hours = faults.chance.choice([-2, -1, 1, 2])
    faults.farm.clock.set(hours * 3600)
    return f"the balancer's wall clock is set to {hours:+} h", 0


FAULTS = [
    slow_network,
    narrow_network,
    one_way_network,
    partition,
    cut_connections,
    cut_in_a_message,
    kill_a_process,
    kill_a_process,
    kill_a_process,
    kill_a_worker,
    kill_the_balancer,
    kill_the_store_helper,
    stop_a_process,
    stop_a_process,
    stop_the_balancer,
    fill_a_disk,
    take_descriptors,
    take_memory,
    set_the_clock,
]
