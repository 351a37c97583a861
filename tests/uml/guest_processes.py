# SPDX-License-Identifier: Apache-2.0
"""The guests of a worker, seen from the host, where their kernels and all their processes are processes."""
from fixtures import processes
from fixtures.waiting import eventually

HALF_A_SECOND = 50  # in ticks of /proc/PID/stat


def kernels(service):
    """The guests' kernels. Their processes are below them."""
    below = processes.descendants(service.worker.process.pid)
    return [pid for pid in below if " mem=" in processes.command_line(pid)]


def user_processes(service):
    """The processes of the guests."""
    below = processes.descendants(service.worker.process.pid)
    return [pid for pid in below if processes.command_name(pid).startswith("uml-userspace")]


def cpu_ticks(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return int(file.read().rsplit(")", 1)[1].split()[11])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def wait_until_one_computes(service):
    """Wait until a process of a guest has used half a second of CPU time since the first look, as no warm-up
    does: the program of a job runs. The processes are used again, so their whole CPU time says nothing."""
    first = {}

    def computes():
        now = {pid: cpu_ticks(pid) for pid in user_processes(service)}
        return any(ticks - first.setdefault(pid, ticks) > HALF_A_SECOND for pid, ticks in now.items())

    eventually(computes, "a process of the guest computes")
