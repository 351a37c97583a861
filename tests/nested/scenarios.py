# SPDX-License-Identifier: Apache-2.0
"""Engine selection on a host with a working /dev/kvm, and on one where /dev/kvm is useless: each
engine is used, and given up for the next one."""
import re

from outer import (
    Host,
    best_engine,
    kvm_device,
    lane,
    real_cloud_hypervisor,
    worker_refuses,
)

NO_CLOUD_HYPERVISOR = (
    r"not cloud-hypervisor\+kvm\+snapshot, cloud-hypervisor\+kvm\+boot: there is no "
)


def a_real_kvm_makes_the_worker_use_it_and_report_why():
    with Host() as host:
        if real_cloud_hypervisor():
            host.expect_choice(re.escape(best_engine()))
        else:
            host.expect_choice(r"qemu\+kvm\+snapshot; " + NO_CLOUD_HYPERVISOR)
        host.expect_accel("kvm")


def clones_of_a_snapshot_run_jobs_under_kvm_and_share_no_random_bytes():
    with Host("--vmm", "qemu+kvm+snapshot") as host:
        host.expect_choice(r"qemu\+kvm\+snapshot \(asked for\)")
        host.wait_for_log("pe-worker", "template for busybox:1.35 made")
        seen = set()
        for _ in range(3):
            host.expect_job()
            host.wait_for_log("pe-worker", "is warm")
            seen.add(
                host.run(
                    "cat /proc/sys/kernel/random/boot_id; head -c 16 /dev/urandom | od -An -tx1"
                ).stdout
            )
        assert len(seen) == 3, "different random bytes"
        job = host.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
        assert job.stdout == b"kvm-clock\n", "the guest's clock"
        assert job.fields["phases_us"]["restore"] > 0, ("it was no clone:", job.fields)


def vms_that_boot_run_jobs_under_kvm():
    with Host("--vmm", "qemu+kvm+boot") as host:
        host.expect_choice(r"qemu\+kvm\+boot \(asked for\)")
        host.expect_accel("kvm")
        host.expect_job()
        flags = host.run("grep -m1 ^flags /proc/cpuinfo").stdout.split()
        assert b"lm" in flags and b"svm" not in flags, "the guest cannot run VMs of its own"


@lane("tcg")
def without_access_to_kvm_the_worker_uses_another_engine_and_reports_why():
    with kvm_device(mode=0):
        said = worker_refuses("--vmm", "qemu+kvm+snapshot")
        assert "no engine works on this host" in said and "Permission denied" in said, said
        with Host() as host:
            host.expect_choice(
                r"(uml\+boot|qemu\+tcg\+\w+); .*not qemu\+kvm\+snapshot, qemu\+kvm\+boot: .*Permission denied"
            )


def without_a_kvm_device_the_worker_reports_that():
    with kvm_device(present=False):
        said = worker_refuses("--vmm", "qemu+kvm+boot")
        assert "there is no /dev/kvm" in said, said


def the_engine_that_works_is_remembered_until_probe_again():
    best, other = best_engine(), "qemu+kvm+boot"
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1") as host:
        host.expect_choice(re.escape(best))
    with open("/tmp/remembered/engines") as file:
        remembered = file.read()
    with open("/tmp/remembered/engines", "w") as file:
        file.write(
            remembered.replace(f"engine={best}\n", f"engine={other}\n").replace(
                "reason=", "reason=remembered: "
            )
        )
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1") as host:
        host.expect_choice("remembered: ")
    with Host("--state=/tmp/remembered", "--run-dir=/tmp/run1", "--probe-again") as host:
        host.expect_choice(re.escape(best))
        assert "remembered" not in host.log(), host.log()


@lane("tcg")
def emulation_is_used_on_request_where_kvm_works():
    with Host("--vmm", "qemu+tcg+boot") as host:
        host.expect_choice(r"qemu\+tcg\+boot \(asked for\)")
        host.expect_accel("tcg")
