# SPDX-License-Identifier: Apache-2.0
"""A program that is asked to stop while it tries an engine removes the VM before it ends."""
import os
import signal
import subprocess

import pytest

from fixtures import processes, vmm_processes
from fixtures.paths import program
from fixtures.waiting import PATIENCE, eventually

# In place of the kernel: has our patches, as its answers say, and never reaches its init.
SILENT_KERNEL = """
#include <poll.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--version"))
        return puts("6.12.94") < 0;
    if (argc > 1 && !strcmp(argv[1], "--help"))
        return puts("\\ncpuinfo=<file>\\n") < 0;
    return poll(NULL, 0, -1);
}
"""


@pytest.fixture(name="kernel")
def fixture_kernel(tmp_path):
    source, kernel = tmp_path / "silent.c", tmp_path / "silent-kernel"
    source.write_text(SILENT_KERNEL)
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-static", "-s", "-o", kernel, source], check=True)
    return kernel


def begin_trial(name, *options):
    """Start a program, and return its process when it waits for the guest."""
    argv = [program(name), *options]
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def tries():
        below = processes.descendants(running.pid)
        return any("mem=" in processes.command_line(pid) for pid in below)

    eventually(tries, "the VM of the trial")
    return running


def stop_trial(number, name, *options):
    """Returns the exit status."""
    running = begin_trial(name, *options)
    below = processes.descendants(running.pid)
    running.send_signal(number)
    _, said = running.communicate(timeout=PATIENCE)
    processes.wait_until_gone(below, "the VM of the trial")
    assert vmm_processes.left_by({running.pid}) == [], said
    return running.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role, status", [(("--server", "http://127.0.0.1:9"), 0), (("doctor",), 2)])
def test_pe_worker_that_is_stopped_during_a_trial_leaves_nothing(tmp_path, kernel, role, status, number):
    options = [*role, "--vmm", "uml", "--uml-kernel", str(kernel)]
    options += ["--state", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run")]
    assert stop_trial(number, "pe-worker", *options) == status
    assert set(os.listdir(tmp_path / "run")) <= {"vmm-cpus"}
    assert not os.path.exists(tmp_path / "state/engines"), "nothing is known about the engine"


def test_pe_vm_that_is_stopped_during_a_trial_leaves_nothing(kernel):
    options = ["--engine", "uml", "--uml-kernel", str(kernel), "--image", "busybox:1.35", "--", "true"]
    assert stop_trial(signal.SIGTERM, "pe-vm", "task", *options) == 1
