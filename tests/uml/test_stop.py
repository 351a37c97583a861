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

# Stops the program that asks for its version, and cannot be used.
STOPPING_KERNEL = """
#include <signal.h>
#include <unistd.h>
int main(void)
{
    kill(getppid(), SIGTERM);
    return 1;
}
"""


def compile_kernel(folder, name, text):
    source, kernel = folder / f"{name}.c", folder / f"{name}-kernel"
    source.write_text(text)
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-static", "-s", "-o", kernel, source], check=True)
    return kernel


@pytest.fixture(name="kernel")
def fixture_kernel(tmp_path):
    return compile_kernel(tmp_path, "silent", SILENT_KERNEL)


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


def test_a_stop_while_no_guest_is_waited_for_is_no_fault_of_the_engine(tmp_path):
    kernel = compile_kernel(tmp_path, "stopping", STOPPING_KERNEL)
    options = ["--server", "http://127.0.0.1:9", "--vmm", "uml", "--uml-kernel", kernel]
    options += ["--state", tmp_path / "state", "--run-dir", tmp_path / "run"]
    done = subprocess.run(
        [program("pe-worker"), *options], stderr=subprocess.PIPE, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(tmp_path / "state/engines")


def test_pe_worker_that_waits_for_its_token_ends_with_the_signal(tmp_path):
    token = tmp_path / "token"
    os.mkfifo(token)
    options = ["--server", "http://127.0.0.1:9", "--token-file", token, "--state", f"{tmp_path}/state"]
    with subprocess.Popen([program("pe-worker"), *options, "--run-dir", f"{tmp_path}/run"]) as running:
        with open(token, "wb"):  # as soon as the worker has opened it
            running.send_signal(signal.SIGTERM)
            assert running.wait(PATIENCE) == -signal.SIGTERM
