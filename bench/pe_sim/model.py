# SPDX-License-Identifier: Apache-2.0
"""A discrete-event simulation of a service. Jobs come at random times (a Poisson process) and wait in one
queue, because each slot is offered to all balancers. A slot runs one job and then makes its next VM. Both are
work for a CPU. The slots of a machine share its cores equally; a job uses at most one core. A job prefers a slot
whose VM is ready."""
import collections
import heapq
import math
import random
from dataclasses import dataclass, field


def erlang_c(servers, offered):
    """The probability that a job has to wait in M/M/c, with `offered` = rate * service time (Erlang's formula)."""
    if offered >= servers:
        return 1.0
    term = total = 1.0
    for number in range(1, servers):
        term *= offered / number
        total += term
    last = term * offered / servers * servers / (servers - offered)
    return last / (total + last)


class Machine:
    """Cores that tasks share. `clock` is how much work a task has got that runs since the beginning."""

    def __init__(self, cores):
        self.cores, self.clock, self.since, self.stamp = cores, 0.0, 0.0, 0
        self.tasks, self.used = [], 0.0

    def advance(self, now):
        count = len(self.tasks)
        if count:
            self.clock += (now - self.since) * min(1.0, self.cores / count)
            self.used += (now - self.since) * min(count, self.cores)
        self.since = now

    def next_end(self):
        rate = min(1.0, self.cores / len(self.tasks))
        return self.since + max(0.0, self.tasks[0][0] - self.clock) / rate


@dataclass(eq=False)
class Slot:
    machine: Machine
    has_vm: bool = True
    job: float = None  # when the job arrived that the slot has
    sent: float = 0.0  # when it got it


@dataclass
class Outcome:
    latencies: list = field(default_factory=list)  # seconds, of jobs that ran
    queued: list = field(default_factory=list)  # seconds until a slot had the job
    area: float = 0.0  # integral of the number of jobs in the service
    seconds: float = 0.0
    arrived: int = 0
    busy: float = 0.0  # share of the cores that worked


class Service:
    """`run_time(rng)` and `vm_time(rng)` are seconds of work. `machines` has (cores, slots) of each host; hosts
    with the same Machine object share its cores. `extra` is seconds of work that a VM does when it is ready
    already, such as its warm-up; a job does not wait for it."""

    def __init__(self, machines, run_time, vm_time, seed=1, extra=0.0):
        self.rng = random.Random(seed)
        self.run_time, self.vm_time, self.extra = run_time, vm_time, extra
        self.machines = list(dict.fromkeys(machine for machine, _ in machines))
        self.ready = collections.deque(Slot(machine) for machine, slots in machines for _ in range(slots))
        self.rng.shuffle(self.ready)
        self.making, self.queue = collections.deque(), collections.deque()
        self.events, self.number, self.now, self.inside = [], 0, 0.0, 0
        self.outcome = Outcome()

    # ---- work ----

    def plan(self, machine):
        machine.stamp += 1
        if machine.tasks:
            self.number += 1
            heapq.heappush(self.events, (machine.next_end(), self.number, machine, machine.stamp))

    def work(self, slot, seconds, then):
        machine = slot.machine
        machine.advance(self.now)
        self.number += 1
        heapq.heappush(machine.tasks, (machine.clock + seconds, self.number, slot, then))
        self.plan(machine)

    def on_work(self, machine):
        machine.advance(self.now)
        _, _, slot, then = heapq.heappop(machine.tasks)
        self.plan(machine)
        then(slot)

    # ---- jobs ----

    def arrive(self):
        self.outcome.arrived += 1
        self.inside += 1
        self.queue.append(self.now)
        self.dispatch()

    def dispatch(self):
        while self.queue and (self.ready or self.making):
            slot = (self.ready or self.making).popleft()
            slot.job, slot.sent = self.queue.popleft(), self.now
            self.outcome.queued.append(self.now - slot.job)
            if slot.has_vm:
                self.start(slot)

    def start(self, slot):
        self.work(slot, self.run_time(self.rng), self.end)

    def end(self, slot):
        self.outcome.latencies.append(self.now - slot.job)
        self.inside -= 1
        slot.job, slot.has_vm = None, False
        self.making.append(slot)
        seconds = self.vm_time(self.rng)
        if seconds > 0:
            self.work(slot, seconds, self.made)
        else:
            self.made(slot)
        self.dispatch()

    def made(self, slot):
        slot.has_vm = True
        if self.extra > 0:
            self.work(slot, self.extra, lambda _: None)
        if slot.job is not None:
            self.start(slot)
        else:
            self.making.remove(slot)
            self.ready.append(slot)
            self.dispatch()

    # ---- time ----

    def simulate(self, rate, jobs):
        """Let `jobs` jobs come, `rate` a second, and wait until all have ended."""
        arrival = self.rng.expovariate(rate)
        while arrival < math.inf or self.inside:
            while self.events and self.events[0][3] != self.events[0][2].stamp:
                heapq.heappop(self.events)  # the machine has changed since
            work = self.events[0][0] if self.events else math.inf
            then = min(arrival, work)
            self.outcome.area += self.inside * (then - self.now)
            self.now = then
            if work <= arrival:
                self.on_work(heapq.heappop(self.events)[2])
            else:
                self.arrive()
                arrival = self.now + self.rng.expovariate(rate) if self.outcome.arrived < jobs else math.inf
        self.outcome.seconds = self.now
        cores = sum(machine.cores for machine in self.machines)
        self.outcome.busy = sum(machine.used for machine in self.machines) / (cores * self.now)
        return self.outcome
