#!/usr/bin/env python3
"""The real balancer and worker on the engine cloud-hypervisor+kvm+snapshot: worker.py CLOUD_HYPERVISOR FOLDER. Prints "ok sentence"
lines. The worker asks for KVM; with the stand-in in cloud-hypervisor's place pretend-kvm makes it look so."""

import os
import sys
import time

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
import service  # noqa: E402

ENGINE = "cloud-hypervisor+kvm+snapshot"
CLONE_SECONDS = 120


def check(holds, sentence, *details):
    if not holds:
        print("#", *details)
    print("ok" if holds else "not ok", sentence, flush=True)


def run_in_clone(host):
    """Jobs until one ran in a clone: the first find the template in the making."""
    deadline = time.monotonic() + CLONE_SECONDS
    while time.monotonic() < deadline:
        outcome = host.run("cat input; cat /proc/sys/kernel/random/boot_id; echo result > /output/output", files=[("input", b"in\n")],
                           outputs=["output"])
        if outcome.phases_us["restore"] > 0:
            return outcome
    raise service.Failure("no job ran in a clone:\n" + host.read_log())


def await_vmm(host):
    """Whether a cloud-hypervisor runs below the worker."""
    deadline = time.monotonic() + CLONE_SECONDS
    while time.monotonic() < deadline:
        if any(service.command_name(pid).startswith("cloud-hyperviso") for pid in service.descendants(host.worker.pid)):
            return True
        time.sleep(0.05)
    return False


def main():
    cloud_hypervisor, folder = sys.argv[1:]
    run_dir = os.path.join(folder, "run")
    host = service.Service(slots=1, worker_args=["--vmm", ENGINE, "--cloud-hypervisor", cloud_hypervisor, "--run-dir", run_dir,
                                                 "--state", os.path.join(folder, "state")])
    try:
        host.start()
        check(ENGINE in host.read_log(), f"a worker finds that {ENGINE} works, and says so", host.read_log())
        first, second = run_in_clone(host), run_in_clone(host)
        check(first.exit_code == 0 and first.stdout.startswith(b"in\n") and first.files == {"output": b"result\n"},
              "a job in a clone reads its files and gives back its output", first.stdout, first.files)
        check(first.stdout != second.stdout, "two jobs in two clones see two boot ids", first.stdout)
        check(await_vmm(host) and os.listdir(run_dir), "the next VM is cloud-hypervisor's again")
        below = service.descendants(host.worker.pid)
    finally:
        host.stop()
    check(service.gone(below) and not os.listdir(run_dir), "nothing is left of the VMs of a worker that ended", run_dir)


main()
