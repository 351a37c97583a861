# SPDX-License-Identifier: Apache-2.0
"""A job sees the same of its machine, its kernel and its container with every engine, except for what
is listed here and in docs/architecture.md."""
import fnmatch
import json
import os

from fixtures import engine
from fixtures.paths import TOP

# (what, keys, why): differences between the engines, with patterns of the keys that jobs/look_around.py
# prints. The sign says what a difference is: "-" only QEMU has the key, "+" only User Mode Linux has it,
# "~" they have different values.
ALLOWED = (
    (
        "The kernel's release, and what is new or has another default in a newer one",
        """~uname.release ~uname.version +sysctl.* ~call.45[1-9] ~call.4[6-9]? +status.* +meminfo.* +sys./fs/*
        +sys./kernel/* +sys./devices/system/cpu/* +sys./bus/faux ~mount./ ~mount./work ~sysctl.net.*
        ~sysctl.kernel.pid_max ~sysctl.kernel.sched_rt_runtime_us -sysctl.kernel.sched_*""",
        "QEMU boots Debian's cloud kernel. User Mode Linux is compiled from the newest source that Debian has.",
    ),
    (
        "The processor in `/proc/cpuinfo`, `/sys/devices/system/cpu` and the auxiliary vector",
        """[-+~]cpuinfo.* ~auxv.HWCAP* ~auxv.MINSIGSTKSZ ~status.Spec* -sys./devices/system/cpu/* -proc.mtrr
        -proc.self.arch_status -proc.self.cpu_resctrl_groups -sysctl.kernel.split_lock_mitigate""",
        "QEMU emulates a processor. User Mode Linux runs programs on that of the host.",
    ),
    (
        "Devices, buses and firmware in `/sys` and `/proc`; the names of block devices",
        """[-+]sys./block/* -sys./bus/* -sys./class/* -sys./power -sys./hypervisor -sys./fs/pstore -proc.fb
        -proc.acpi -mount./proc/acpi -mount./proc/mtrr ~mount./dev/pe-shim ~mount./input -sysctl.dev.* ~sysctl.dev.tty.ldisc_autoload
        -sysctl.kernel.acpi_* -sysctl.kernel.bootloader_* -sysctl.kernel.io_delay_type -sysctl.kernel.panic_on_*
        -sysctl.kernel.unknown_nmi_panic -sys./kernel/boot_params -sys./kernel/iommu_groups
        -sysctl.kernel.real-root-dev -sysctl.kernel.timer_migration""",
        "User Mode Linux has no hardware except for disks (`ubd`), one of them its root, and a serial port.",
    ),
    (
        "Limits that the kernel derives from the size of its memory",
        """~limit.* ~meminfo.MemTotal ~sysctl.user.* ~sysctl.kernel.threads-max ~sysctl.fs.*
        ~sysctl.vm.min_free_kbytes ~sysctl.vm.user_reserve_kbytes ~sysctl.vm.lowmem_reserve_ratio""",
        "The small kernel leaves a little more of the same memory.",
    ),
    (
        "Coarse clocks have steps of 10 ms instead of 4; there are no alarm clocks",
        "~clock.[56] ~clock.[89]",
        "Each tick costs the host context switches, and a job cannot sleep so deeply that it needs an alarm.",
    ),
    (
        "Huge pages, NUMA, swap, and what moves pages",
        """-meminfo.* -status.HugetlbPages -status.Mems_allowed* ~status.THP_enabled ~kernel.huge*
        ~kernel.memfd*huge* ~call.450 -filesystem.hugetlbfs -filesystem.cpuset -proc.swaps -proc.self.numa_maps
        -proc.self.cpuset -proc.self.ksm_* -sys./devices/system/node -sys./devices/system/memory -sysctl.vm.*
        -sysctl.kernel.numa_*""",
        "User Mode Linux manages single pages of one node. `MAP_HUGETLB` fails with both engines.",
    ),
    (
        "`modify_ldt` and protection keys (`pkey_alloc` and others) are not there",
        "~call.154 ~call.329 ~call.330 ~call.331",
        "They change state of the processor that the host's kernel keeps for each of its processes.",
    ),
    (
        "Restartable sequences (`rseq`) are not there",
        "~call.334",
        "User Mode Linux does not have them. The C library and allocators do without.",
    ),
    (
        "The vsyscall page works",
        "~kernel.vsyscall -sysctl.abi.vsyscall32",
        "The host's kernel answers its three calls, which tell the time and the CPU, if it does so for its own programs.",
    ),
    (
        "32-bit programs cannot be started, and `int $0x80` ends with SIGSEGV",
        "~kernel.32-bit*",
        "User Mode Linux has no 32-bit system calls.",
    ),
    (
        "Only the stack lies at a random address",
        "~address?space.random* -sysctl.vm.mmap_rnd_* -sysctl.vm.legacy_va_layout",
        "User Mode Linux does not randomize mappings. A program is alone in its VM.",
    ),
    (
        "Landlock, quotas, audit, and the security modules of distributions",
        """~call.443 ~call.444 ~call.445 ~call.446 -sysctl.fs.quota.* -sysctl.fs.verity.* -sysctl.kernel.yama.*
        -sysctl.kernel.apparmor* -sysctl.kernel.unprivileged_* -proc.self.attr -proc.self.loginuid
        -proc.self.sessionid -filesystem.securityfs -sys./kernel/security
        -sysctl.kernel.keys.persistent_keyring_expiry -sysctl.crypto.* -proc.crypto""",
        "They cost time at every open file. Programs that confine themselves go on without Landlock.",
    ),
    (
        "Debugging, tracing and statistics of the kernel",
        """-sysctl.debug.* -sysctl.kernel.*watchdog* -sysctl.kernel.hung_task_* -sysctl.kernel.perf_*
        -sysctl.kernel.ftrace_* -sysctl.kernel.*lockup* -sysctl.kernel.*panic*
        -sysctl.kernel.stack_tracer_enabled -sysctl.kernel.trace* ~sysctl.kernel.tainted -sysctl.kernel.oops_*
        -sysctl.kernel.task_delayacct -sysctl.kernel.bpf_* -sysctl.kernel.acct -sysctl.kernel.sysrq
        -mount./proc/kcore -mount./proc/sysrq-trigger -proc.kcore -proc.slabinfo
        -proc.sysrq-trigger -proc.schedstat -proc.self.schedstat -proc.self.patch_state
        -proc.dynamic_debug -mount./proc/dynamic_debug -sys./kernel/* -filesystem.debugfs -filesystem.tracefs -filesystem.bpf
        -filesystem.pstore -sys./fs/bpf -proc.self.autogroup""",
        "A job cannot use them: the container has no privileges.",
    ),
    (
        "Loadable modules and kexec; file systems and checkpoints that need privileges",
        """-sysctl.kernel.mod* -sysctl.kernel.kexec_* -proc.modules -filesystem.ext? -sys./fs/ext4
        +filesystem.binfmt_misc -sysctl.kernel.*_next_id -sysctl.kernel.ns_last_pid -proc.self.timers""",
        "Everything that is needed is built in.",
    ),
    (
        "Protocols that need privileges or a network: packet and XDP sockets, IPsec, filters, MPTCP",
        "-socket.17.* -socket.44.* -sysctl.net.*",
        "A job has only the loopback interface, with TCP, UDP, UNIX and netlink sockets.",
    ),
    (
        "`/proc/exitcode`",
        "+proc.exitcode +mount./proc/exitcode",
        "It would set the exit status of the kernel's process. Jobs see /dev/null in its place.",
    ),
)


def look_around(service):
    """What a job sees, by key."""
    with open(os.path.join(os.path.dirname(__file__), "jobs/look_around.py"), "rb") as file:
        files = [("look_around.py", file.read())]
    job = service.run(["python3", "look_around.py"], image="python:3", files=files)
    assert job.exit_code == 0, (job.fields, job.stderr.decode(errors="replace"))
    return json.loads(job.stdout)


def differences(qemu, uml):
    """{signed key: the values}"""
    found = {}
    for key in qemu.keys() | uml.keys():
        if key not in uml:
            found["-" + key] = qemu[key]
        elif key not in qemu:
            found["+" + key] = uml[key]
        elif qemu[key] != uml[key]:
            found["~" + key] = f"QEMU: {qemu[key]}; User Mode Linux: {uml[key]}"
    return found


def matches(key, patterns):
    return any(fnmatch.fnmatchcase(key, pattern.replace("[stack]", "?stack?")) for pattern in patterns.split())


def documented():
    """(what, why) of each row of the table in docs/architecture.md."""
    with open(os.path.join(TOP, "docs/architecture.md"), encoding="utf-8") as file:
        section = file.read().split("## What differs between engines\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [(what.strip(), why.strip()) for what, why in rows[2:]]


def test_what_differs_between_engines_is_documented():
    assert documented() == [(what, why) for what, _, why in ALLOWED]


def test_a_job_sees_the_same_with_every_engine_except_for_what_is_listed(start_service):
    seen = {}
    for name in engine.SOFTWARE:
        service = start_service("--vmm", name, slots=1, warm="python:3")
        seen[name] = look_around(service)
        service.end()
    found = differences(seen["qemu+tcg+snapshot"], seen["uml+boot"])
    unlisted = {
        key: value
        for key, value in sorted(found.items())
        if not any(matches(key, patterns) for _, patterns, _ in ALLOWED)
    }
    assert not unlisted
    for what, patterns, _ in ALLOWED:
        assert any(matches(key, patterns) for key in found), f"listed, but no longer there: {what}"
