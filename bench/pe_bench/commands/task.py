# SPDX-License-Identifier: Apache-2.0
"""One VM, one job: the phases that the host and the guest see.

Each round makes a VM with each engine and runs the job in it, in a random order. The VM is a warm
one, as a worker keeps ready, unless --cold says that it is one that a job waits for. `total` is the
time of VM and job together, `job` that of a job in a VM that is ready. Phases of the guest have
names that begin with `guest`.
"""
from ..errors import BenchError
from ..run import add_rounds
from ..vms import Vms, add_phases, add_vm_arguments, closing_all

HELP = "one VM, one job: all phases, for one or several engines"
DESCRIPTION = __doc__
ROUNDS, QUICK_ROUNDS = 20, 3


def add_arguments(parser):
    add_vm_arguments(parser, several_engines=True)
    parser.add_argument(
        "--cold", action="store_true", help="VMs as for a job that waits: nothing is prepared"
    )
    add_rounds(parser, ROUNDS, QUICK_ROUNDS)


def make_all(run):
    """The engines that work here, as Vms. Those that do not are n/a."""
    found = []
    for engine in run.options.engine or ["auto"]:
        try:
            found.append(Vms(run, engine))
        except BenchError as error:
            run.not_available("total", "ms", str(error), engine=engine, image=run.options.image)
    return found


def run(run):
    options = run.options
    more = ["--cold"] if options.cold else []
    rounds = run.rounds(ROUNDS, QUICK_ROUNDS)
    names = [f"round {number + 1}" for number in range(rounds)]
    engines = make_all(run)
    for name in run.todo(names):
        with run.step(name):
            for vms in run.shuffled(engines):
                with closing_all([vms.start(False, *more)]) as (task,):
                    vms.await_end([task])
                    add_phases(run, task, **vms.labels)
