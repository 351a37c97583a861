# SPDX-License-Identifier: Apache-2.0
"""The slots of all workers of a host are spread over its CPUs."""
import fcntl
import os
import struct

from fixtures import engine
from fixtures.service import Service
from fixtures.waiting import eventually
from uml.guest_processes import kernels

# worker/host/cpu_seat.c: a byte for each CPU and row.
FILE, CPUS, ROWS = "/run/program-explorer/vmm-cpus", 1024, 64


def take_all_seats(file, cpu):
    """Lock the first rows of a CPU, as the slots of many workers do."""
    for row in range(ROWS):
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, row * CPUS + cpu, 1, 0)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
        except BlockingIOError:
            pass  # a slot of another worker has it already


def test_a_slot_takes_the_cpu_that_other_workers_use_least():
    allowed = os.sched_getaffinity(0)
    busy = min(allowed)
    os.makedirs(os.path.dirname(FILE), exist_ok=True)
    with open(FILE, "ab") as file:
        take_all_seats(file, busy)
        service = Service(*engine.OPTIONS, slots=1)
        try:
            eventually(lambda: kernels(service), "the slot has a VM")
            (cpu,) = os.sched_getaffinity(kernels(service)[0])
            assert cpu in (allowed - {busy} or allowed)
        finally:
            service.end()


def test_a_slot_leaves_the_cpu_to_its_vm_which_dies_while_it_answers():
    allowed = os.sched_getaffinity(0)
    service = Service(*engine.OPTIONS, slots=1)
    try:
        eventually(lambda: kernels(service), "the slot has a VM")
        vm = os.sched_getaffinity(kernels(service)[0])
        (slot,) = service.worker.named("pe-slot")
        assert os.sched_getaffinity(slot) == (allowed - vm or allowed)
    finally:
        service.end()
