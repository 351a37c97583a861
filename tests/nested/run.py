#!/usr/bin/env python3
"""The worker on a true /dev/kvm: boots outer VMs whose CPU QEMU emulates with AMD SVM, one for each lane of scenarios, and passes on
what the scenarios in them say. PE_CLOUD_HYPERVISOR may name a static cloud-hypervisor binary to be used in there."""
import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import outer  # noqa: E402
import scenarios  # noqa: E402,F401

HOME = os.environ.get("PE_HOME", os.path.join(TOP, "build"))
BUILD = os.environ.get("PE_BUILD", HOME)
MACHINE = os.path.join(HOME, "nested")
DRIVES = (os.path.join(MACHINE, "machine.squashfs"), os.path.join(BUILD, "nested", "project.squashfs"))
BOOT_SECONDS = 120  # an idle machine takes 5
ALL_SECONDS = 840  # tests/run waits for 900
KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off"
PR_SET_PDEATHSIG = 1


def command_line(drives, arguments, console, report):
    """One CPU: with two, QEMU 7.2 may keep a translation of the breakpoint that a kernel sets while it patches itself, as KVM does
    with the first and after the last VM (preempt_notifier_key), and the outer VM hangs in it."""
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "EPYC-v2,+svm,+npt", "-smp", "1", "-m", "3G",
               "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-bios", "qboot.rom",
               "-kernel", os.path.join(MACHINE, "vmlinux"), "-initrd", os.path.join(MACHINE, "initramfs.cpio"),
               "-append", f"{KERNEL_ARGUMENTS} {arguments}"]
    for port, number, append in (("console", console, "on"), ("report", report, "off")):
        command += ["-chardev", f"file,id={port},append={append},path=/proc/self/fd/{number}", "-serial", f"chardev:{port}"]
    for drive in drives:
        command += ["-drive", f"file={drive},format=raw,if=virtio,readonly=on"]
    return command


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """An outer VM. It ends with this process and has no name on the host: its ports are a pipe and an unlinked file."""

    def __init__(self, lane, numbers):
        self.sentences = [outer.SCENARIOS[number][0] for number in numbers] + [outer.NOTHING_LEFT[lane]]
        self.report, report = os.pipe()
        self.console = tempfile.TemporaryFile("a+b")  # QEMU and the kernel in it both write at its end
        self.partial, self.block, self.said = b"", [], []
        self.started = time.monotonic()
        self.deadline = self.started + BOOT_SECONDS
        drives = [*DRIVES, *filter(None, [os.environ.get("PE_CLOUD_HYPERVISOR")])]
        arguments = f"pe.lane={lane} pe.scenarios={','.join(map(str, numbers))}"
        files = (self.console.fileno(), report)
        self.process = subprocess.Popen(command_line(drives, arguments, *files), stdin=subprocess.DEVNULL, stdout=self.console,
                                        stderr=self.console, pass_fds=files, preexec_fn=die_with_parent)
        os.close(report)

    def take(self):
        """Print what has come, a scenario at a time: each ends with a comment. False when the VM has ended."""
        data = os.read(self.report, 65536)
        self.deadline = self.started + ALL_SECONDS
        *lines, self.partial = (self.partial + data).split(b"\n")
        for line in lines:
            self.block.append(line.decode(errors="replace").rstrip("\r"))
            if line.startswith(b"# "):
                self.pass_on()
        return bool(data)

    def pass_on(self):
        print("\n".join(self.block), flush=True)
        self.said += self.block
        self.block = []

    def passed(self, sentence):
        return f"ok {sentence}" in self.said

    def end(self):
        """End it, and fail what it did not come to."""
        self.process.kill()
        self.process.wait()
        os.close(self.report)
        if self.block:
            self.pass_on()
        silent = [sentence for sentence in self.sentences if not self.passed(sentence) and f"not ok {sentence}" not in self.said]
        for sentence in silent:
            print(f"not ok {sentence}\n  the outer VM ended, or {time.monotonic() - self.started:.0f} s were too short, before that")
        if silent:
            print("  " + "\n  ".join(self.last_words()), flush=True)

    def last_words(self):
        self.console.seek(0)
        lines = self.console.read().decode(errors="replace").splitlines()
        return [line for line in lines if "TCG doesn't support requested feature" not in line][-30:]


def follow(machines):
    """Until each has ended or is too late."""
    running = list(machines)
    while running:
        patience = min(machine.deadline for machine in running) - time.monotonic()
        readable = select.select([machine.report for machine in running], [], [], max(0, patience))[0]
        now = time.monotonic()
        running = [machine for machine in running
                   if (machine.take() if machine.report in readable else now < machine.deadline)]


def main():
    wanted = os.environ.get("PE_TEST", "")
    lanes = {}
    for number, (sentence, lane, _) in enumerate(outer.SCENARIOS):
        if wanted in sentence:
            lanes.setdefault(lane, []).append(number)
    machines = [Machine(lane, numbers) for lane, numbers in lanes.items()]
    try:
        follow(machines)
    finally:
        for machine in machines:
            machine.end()
    results = [machine.passed(sentence) for machine in machines for sentence in machine.sentences]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


sys.exit(main())
