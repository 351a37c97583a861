# SPDX-License-Identifier: Apache-2.0
"""N VMs at once, which all run their job at once.

Each round starts N VMs at the same time, waits until all are ready, and then tells all of them to
run the job. The results have the phases of each VM and job, how many VMs and jobs were done in a
second, the memory of a VM, the CPU time that all of it took, in cores, and the load of the host.
"""
from ..crowd import measure
from ..run import add_rounds
from ..vms import Vms, add_vm_arguments

HELP = "N VMs at once: throughput, phases, memory, CPU"
DESCRIPTION = __doc__
ROUNDS, QUICK_ROUNDS = 5, 1


def add_arguments(parser):
    parser.add_argument("vms", type=int, metavar="N", help="VMs at once")
    add_vm_arguments(parser, several_engines=False)
    add_rounds(parser, ROUNDS, QUICK_ROUNDS)


def run(run):
    options = run.options
    vms = Vms(run, options.engine)
    rounds = run.rounds(ROUNDS, QUICK_ROUNDS)
    for name in run.todo([f"round {number + 1}" for number in range(rounds)]):
        with run.step(name):
            measure(run, vms, options.vms)
