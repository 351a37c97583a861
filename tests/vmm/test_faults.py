"""Faults of cloud-hypervisor, played by the stand-in: each becomes an error that names it, and leaves nothing behind."""

import ctypes
import os
import signal
import subprocess

from harness import assert_in, assert_nothing_left, processes_of, test


def fault(bench, command, what, wanted, **env):
    said = bench.walk(command, "cloud-hypervisor", bench.standin, STANDIN_FAULT=what, **env)
    assert said.startswith("error: "), said
    for words in wanted if isinstance(wanted, tuple) else (wanted,):
        assert_in(words, said)


@test
def api_socket_never_appears(bench):
    """an API socket that never appears is an error"""
    fault(bench, "boot", "never:start", "did not open its API socket")


@test
def dies_at_start(bench):
    """a VMM that dies at its start is noticed, and its last words are told"""
    fault(bench, "boot", "die:start", ("ended when it was started", "Error starting: a fault that was asked for"))


@test
def refusals_at_boot(bench):
    """a call that is answered with 500 while a VM boots is told in cloud-hypervisor's own words"""
    for call in ("vm.create", "vm.boot"):
        fault(bench, "boot", f"500:{call}", f"refuses {call} with 500: Error from API: a fault that was asked for")


@test
def refusals_at_clone(bench):
    """the same holds while a VM is saved or cloned"""
    for call in ("vmm.ping", "vm.pause", "vm.snapshot", "vm.restore", "vm.resume"):
        fault(bench, "clone", f"500:{call}", f"refuses {call} with 500: Error from API: a fault that was asked for")


@test
def half_an_answer(bench):
    """half an answer is an error"""
    fault(bench, "boot", "half:vm.boot", "cannot read the answer of cloud-hypervisor to vm.boot: ")
    fault(bench, "clone", "half:vmm.ping", "cannot read the answer of cloud-hypervisor to vmm.ping: ")


@test
def endless_answer(bench):
    """an answer without end is an error"""
    fault(bench, "clone", "endless:vmm.ping", "to vmm.ping is too long")


@test
def dies_in_boot(bench):
    """a VMM that dies before or after what a call wants while a VM boots is an error that names the call"""
    for call in ("vm.create", "vm.boot"):
        for when in ("before", "after"):
            fault(bench, "boot", f"{when}:{call}", f"ended during {call}")


@test
def dies_in_clone(bench):
    """the same holds while a VM is saved or cloned and VMMs die"""
    for call in ("vm.snapshot", "vm.restore", "vm.resume"):
        for when in ("before", "after"):
            fault(bench, "clone", f"{when}:{call}", f"ended during {call}")


@test
def hangs(bench):
    """a call that is never answered is an error when its time is over"""
    fault(bench, "boot", "hang:vm.boot", "did not answer vm.boot")
    fault(bench, "clone", "hang:vm.restore", "did not answer vm.restore")


@test
def owner_is_killed(bench):
    """a VM dies with its owner's kill -9, and the next start sweeps the VM's folder"""
    run_dir = bench.run_dir()
    holder = subprocess.Popen(bench.command("hold", "cloud-hypervisor", run_dir), env={**os.environ, "PE_VMM_RUN": run_dir},
                              stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "ready\n"
        assert len(processes_of(run_dir)) > 1 and len(os.listdir(run_dir)) == 1
        holder.send_signal(signal.SIGKILL)
    subprocess.run(bench.command("version", "cloud-hypervisor", run_dir), check=True, stdout=subprocess.DEVNULL)
    assert_nothing_left(run_dir)


@test
def releases(bench):
    """a release that is too old, or lacks what a clone needs, is refused by its name"""
    def version(number):
        return bench.walk("version", "cloud-hypervisor", bench.standin, STANDIN_VERSION=number)
    assert_in("cloud-hypervisor v44.0 is too old; v45 is needed", version("44.0"))
    assert version("45.0") == "45.0"
    assert_in("v53 is denser", version("52.0"))
    assert version("53.0") == "53.0"
    assert bench.walk("boot", "cloud-hypervisor", bench.standin, STANDIN_VERSION="45.0") == "ready"
    assert_in("cloud-hypervisor v48.0 cannot share the memory of a snapshot; v51 can",
              bench.walk("clone", "cloud-hypervisor", bench.standin, STANDIN_VERSION="48.0"))
    assert bench.walk("clone", "cloud-hypervisor", bench.standin, STANDIN_VERSION="51.0") == "ready"


@test
def writes_elsewhere(bench):
    """a VMM cannot write to a file outside of its folder, even if its user may"""
    landlock_create_ruleset = 444
    kernel_has_it = ctypes.CDLL(None).syscall(landlock_create_ruleset, None, ctypes.c_size_t(0), 1) > 0
    target = os.path.join(bench.folder, "target")
    with open(target, "wb"):
        os.chmod(target, 0o666)
    said = bench.walk("boot", "cloud-hypervisor", bench.standin, STANDIN_FAULT="write:start", STANDIN_TARGET=target)
    if kernel_has_it:
        assert_in("PermissionError: [Errno 13] Permission denied: '" + target, said)
    else:
        assert said == "ready", "without Landlock the file can be written to"


@test
def no_program(bench):
    """a program that is missing, or is another one, is no cloud-hypervisor"""
    assert_in("there is no /nonexistent", bench.walk("version", "cloud-hypervisor", "/nonexistent"))
    assert_in("/bin/true --version", bench.walk("version", "cloud-hypervisor", "/bin/true"))
