#!/usr/bin/env python3
"""The units of deploy/systemd under a living systemd: boots a Debian 12 with it in an emulated VM, whose CPU has AMD's SVM, so
that the worker in it has a true /dev/kvm, and passes on what tests/systemd/inside.py says in there."""
import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
HOME = os.environ.get("PE_HOME", os.path.join(TOP, "build"))
NESTED = os.path.join(HOME, "nested")
DRIVES = (os.path.join(HOME, "systemd", "machine.squashfs"), os.path.join(HOME, "systemd", "project.squashfs"))
SECONDS = 880
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def sentences():
    with open(os.path.join(HERE, "inside.py")) as file:
        return re.findall(r'^    \("([^"]+)", \w+\),$', file.read(), re.M)


def start(console, report):
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "EPYC-v2,+svm,+npt", "-smp", "1", "-m", "3G", "-nodefaults",
               "-no-user-config", "-display", "none", "-no-reboot", "-bios", "qboot.rom", "-kernel", os.path.join(NESTED, "vmlinux"),
               "-initrd", os.path.join(NESTED, "initramfs.cpio"), "-append", "console=ttyS0 quiet panic=-1 oops=panic mitigations=off"]
    for port, number, append in (("console", console, "on"), ("report", report, "off")):
        command += ["-chardev", f"file,id={port},append={append},path=/proc/self/fd/{number}", "-serial", f"chardev:{port}"]
    for drive in DRIVES:
        command += ["-drive", f"file={drive},format=raw,if=virtio,readonly=on"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=(console, report),
                            preexec_fn=die_with_parent)


def main():
    reader, report = os.pipe()
    console = tempfile.TemporaryFile("a+b")
    vm = start(console.fileno(), report)
    os.close(report)
    said, deadline = "", time.monotonic() + SECONDS
    try:
        while "# end" not in said and select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]:
            data = os.read(reader, 65536)
            if not data:
                break
            text = data.decode(errors="replace").replace("\r", "")
            sys.stdout.write(text)
            sys.stdout.flush()
            said += text
    finally:
        vm.kill()
        vm.wait()
    lines = said.splitlines()
    passed = sum(f"ok {sentence}" in lines for sentence in sentences())
    silent = [sentence for sentence in sentences() if f"ok {sentence}" not in lines and f"not ok {sentence}" not in lines]
    for sentence in silent:
        print(f"not ok {sentence}\n  the VM ended, or {SECONDS} s were too short, before that")
    if silent:
        console.seek(0)
        print("  " + "\n  ".join(console.read().decode(errors="replace").splitlines()[-40:]))
    print(f"{passed} passed, {len(sentences()) - passed} failed")
    return 0 if passed == len(sentences()) else 1


sys.exit(main())
