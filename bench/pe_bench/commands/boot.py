# SPDX-License-Identifier: Apache-2.0
"""Boots: each engine, each kernel, a VM that a job waits for (cold) and a warm one.

Each round boots each kind of VM once, in a random order. The CPU time is that of the VM with all
its processes until it is ready; on a busy machine it is steadier than the time. The kernel `small`
(make kernel) is QEMU's; User Mode Linux has its own.
"""
import os

from fixtures.paths import GUEST

from .. import processes
from ..errors import BenchError
from ..run import add_rounds
from ..vms import Vms, add_phases, add_vm_arguments, closing_all

HELP = "boots by engine, kernel and preparation: time and CPU time until a VM is ready"
DESCRIPTION = __doc__
ENGINES = ("uml+boot", "qemu+tcg+boot")
ROUNDS, QUICK_ROUNDS = 9, 2
SMALL = os.path.join(GUEST, "small")


def add_arguments(parser):
    add_vm_arguments(parser, several_engines=True)
    add_rounds(parser, ROUNDS, QUICK_ROUNDS)


def kernels(engine):
    """The options of pe-vm for each kernel of an engine, by its name."""
    if engine.startswith("uml"):
        return {"User Mode Linux": []}
    files = [
        "--kernel",
        os.path.join(SMALL, "vmlinux"),
        "--initramfs",
        os.path.join(SMALL, "initramfs.cpio"),
    ]
    return {"Debian": [], "small": files}


def find_variants(run):
    """(Vms, options, labels) of each kind of VM that this machine can boot. The others are n/a."""
    found = []
    for engine in run.options.engine or ENGINES:
        try:
            vms = Vms(run, engine)
        except BenchError as error:
            run.not_available("ready", "ms", str(error), engine=engine)
            continue
        if vms.template:
            raise BenchError(
                f"the engine {vms.engine} clones VMs; name one that boots them, "
                "such as qemu+tcg+boot"
            )
        for kernel, files in kernels(vms.engine).items():
            for vm, cold in (("cold", ["--cold"]), ("warm", [])):
                labels = {**vms.labels, "kernel": kernel, "vm": vm}
                if kernel == "small" and not os.path.exists(os.path.join(SMALL, "initramfs.cpio")):
                    run.not_available(
                        "ready",
                        "ms",
                        "there is no small kernel; `make kernel` compiles it",
                        **labels,
                    )
                else:
                    found.append((vms, [*files, *cold], labels))
    return found


def boot(run, vms, options, labels):
    with closing_all([vms.start(True, *options, cmd=["true"])]) as (task,):
        vms.await_ready([task])
        if task.ready:
            run.add(
                "CPU time until ready",
                "ms",
                processes.cpu_seconds(task.vmm_pids()) * 1000,
                **labels,
            )
        task.go()
        vms.await_end([task])
        add_phases(run, task, **labels)


def run(run):
    rounds = run.rounds(ROUNDS, QUICK_ROUNDS)
    variants = find_variants(run)
    for name in run.todo([f"round {number + 1}" for number in range(rounds)]):
        with run.step(name):
            for vms, options, labels in run.shuffled(variants):
                boot(run, vms, options, labels)
