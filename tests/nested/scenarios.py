"""Engine selection on a host with a working /dev/kvm and on one where /dev/kvm is useless: each engine is used, and given up for the next one."""
import os

import service as s
from outer import Host, kvm_device, scenario, worker_refuses

NO_CLOUD_HYPERVISOR = r"not cloud-hypervisor\+kvm\+snapshot, cloud-hypervisor\+kvm\+boot: there is no "
REAL = os.environ.get("PE_CLOUD_HYPERVISOR")


@scenario("a true /dev/kvm without cloud-hypervisor puts the worker on qemu+kvm+snapshot, and it says why in its log and in hello")
def _():
    with Host() as host:
        if REAL:
            host.expect_choice(r"cloud-hypervisor\+kvm\+snapshot")
        else:
            host.expect_choice(r"qemu\+kvm\+snapshot; " + NO_CLOUD_HYPERVISOR)
        host.expect_accel("kvm")


@scenario("clones of a snapshot run jobs under KVM: files in and out, both streams, exit code; no two share random bytes")
def _():
    with Host("--vmm", "qemu+kvm+snapshot") as host:
        host.expect_choice(r"qemu\+kvm\+snapshot \(asked for\)")
        host.wait_for_log("pe-worker", "template for busybox:1.35 made", 200)
        seen = set()
        for _ in range(3):
            host.expect_job()
            host.wait_for_log("pe-worker", "is warm", 60)
            seen.add(host.run("cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1").stdout)
        s.check_equal(len(seen), 3, "different random bytes")
        outcome = host.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
        s.check_equal(outcome.stdout, b"kvm-clock\n", "the guest's clock")
        s.check(outcome.result["phases_us"]["restore"] > 0, "it was no clone:", outcome.result)


@scenario("the engine below, qemu+kvm+boot, runs jobs as well")
def _():
    with Host("--vmm", "qemu+kvm+boot") as host:
        host.expect_choice(r"qemu\+kvm\+boot \(asked for\)")
        host.expect_accel("kvm")
        host.expect_job()


@scenario("where VMMs may not open /dev/kvm the worker leaves every KVM engine, says why, and refuses one that is asked for", lane="tcg")
def _():
    with kvm_device(mode=0):
        said = worker_refuses("--vmm", "qemu+kvm+snapshot")
        s.check("no engine works on this host" in said and "Permission denied" in said, said)
        with Host() as host:
            host.expect_choice(r"qemu\+tcg\+(snapshot|boot); .*not qemu\+kvm\+snapshot, qemu\+kvm\+boot: .*Permission denied")


@scenario("where /dev/kvm is gone the worker says so")
def _():
    with kvm_device(present=False):
        said = worker_refuses("--vmm", "qemu+kvm+boot")
        s.check("there is no /dev/kvm" in said, said)


@scenario("what was found is remembered, until it changes or --probe-again asks")
def _():
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1") as host:
        host.expect_choice(r"kvm\+snapshot")
    with open("/tmp/remembered/engines") as file:
        remembered = file.read()
    with open("/tmp/remembered/engines", "w") as file:
        file.write(remembered.replace("engine=qemu+kvm+snapshot", "engine=qemu+kvm+boot").replace("reason=", "reason=remembered: "))
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1") as host:
        host.expect_choice("remembered: ")
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1", "--probe-again") as host:
        host.expect_choice(r"qemu\+kvm\+snapshot")
        s.check("remembered" not in host.read_log(), host.read_log())


@scenario("the last engines, qemu+tcg+snapshot and qemu+tcg+boot, are obeyed where KVM works", lane="tcg")
def _():
    with Host("--vmm", "qemu+tcg+boot") as host:
        host.expect_choice(r"qemu\+tcg\+boot \(asked for\)")
        host.expect_accel("tcg")
