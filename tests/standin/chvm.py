# SPDX-License-Identifier: Apache-2.0
"""The VM of the stand-in: QEMU with software emulation, made from a VmConfig. Files follow the
rules of Cloud Hypervisor: RAM is in zone files; a pmem device is a multiple of 2 MiB; a snapshot contains
neither of them; a restore opens the files again."""

import base64
import ctypes
import json
import mmap
import os
import select
import signal
import socket
import subprocess

QEMU = os.environ.get("STANDIN_QEMU", "/usr/bin/qemu-system-x86_64")
MIB = 1 << 20
PMEM_ALIGN = 2 * MIB
QMP_SECONDS = 60
PR_SET_PDEATHSIG = 1


class VmError(Exception):
    """The messages of an error of Cloud Hypervisor, outermost first."""

    def __init__(self, *sentences):
        super().__init__(": ".join(sentences))
        self.sentences = list(sentences)


def open_as(path, flags, what):
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except OSError as fault:
        raise VmError(what, f"{fault.strerror} (os error {fault.errno}): {path}") from None


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Memory:
    """RAM as a file: a zone's, or one of our own for what is anonymous in Cloud Hypervisor."""

    def __init__(self, config):
        zones = config.get("zones", [])
        if zones and config["size"] != 0:
            raise VmError("Error creating memory manager", "memory size and zones exclude each other")
        if len(zones) > 1:
            raise VmError("the stand-in has one memory zone at most")
        zone = zones[0] if zones else config
        self.size, self.shared, self.named = zone["size"], zone.get("shared", False), False
        if not self.size or self.size % MIB:
            raise VmError("Error creating memory manager", "memory size must be a multiple of 1 MiB and not 0")
        if "file" in zone:
            self.fd = open_as(zone["file"], os.O_RDWR if self.shared else os.O_RDONLY, "Failed to create shared file")
            if os.fstat(self.fd).st_size < self.size:
                raise VmError("Error creating memory manager", "mapping lies past the end of the file")
            self.named = True
        else:
            self.fd = os.memfd_create("ch_ram")
            os.ftruncate(self.fd, self.size)
        # A snapshot does not contain a shared zone whose file still has a name (is_hardlink in
        # memory_manager.rs).
        self.skipped = self.named and self.shared and os.fstat(self.fd).st_nlink > 0

    def write_ranges(self, path):
        if self.named and not self.shared:
            raise VmError("the stand-in cannot see pages that a VM has for itself")
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out, \
                mmap.mmap(self.fd, self.size, prot=mmap.PROT_READ) as content:
            out.write(content)

    def read_ranges(self, path):
        """Into memory that is ours, or the file's if it is shared."""
        with open(path, "rb") as content:
            offset = 0
            while piece := content.read(MIB):
                os.pwrite(self.fd, piece, offset)
                offset += len(piece)


class Vm:
    """Paused after start(); QEMU's events are read by next_event()."""

    def __init__(self, config, log):
        self.config, self.log = config, log
        self.process = self.qmp = None
        self.received = b""
        self.events = []
        self.files = []

    # ---- QEMU's command line ----

    def _open(self, path, flags, what):
        fd = open_as(path, flags, what)
        self.files.append(fd)
        return f"/proc/self/fd/{fd}"

    def _payload(self):
        payload = self.config["payload"]
        if not payload.get("kernel"):
            raise VmError("Invalid VM config", "kernel or firmware is missing")
        argv = ["-kernel", self._open(payload["kernel"], os.O_RDONLY, "Cannot open kernel file"),
                 "-append", payload.get("cmdline", "")]
        return argv + self._initramfs()

    def _restored_payload(self):
        """Of kernel and initramfs the latter is opened, for nothing."""
        self._initramfs()
        return ["-incoming", "defer"]

    def _initramfs(self):
        path = self.config["payload"].get("initramfs")
        return ["-initrd", self._open(path, os.O_RDONLY, "Cannot open initramfs file")] if path else []

    def _pmem(self):
        argv, total = [], 0
        for index, device in enumerate(self.config.get("pmem", [])):
            keep = not device.get("discard_writes", False)
            path = self._open(device["file"], os.O_RDWR if keep else os.O_RDONLY, "Cannot open persistent memory file")
            size = device.get("size", os.fstat(self.files[-1]).st_size)
            if size % PMEM_ALIGN or not size:
                raise VmError("Error from device manager", "PmemSizeNotAligned", f"{device['file']}: {size}")
            device["size"] = size
            total += size // MIB + 1024
            # With discarded writes, a write ends the VM here. Cloud Hypervisor would keep the bytes
            # in private pages.
            argv += ["-object", f"memory-backend-file,id=pmem{index},share=on,readonly={'off' if keep else 'on'},"
                      f"mem-path={path},size={size}",
                      "-device", f"virtio-pmem-pci,memdev=pmem{index},id=vp{index}"]
        return argv, total

    def _command_line(self, fresh, serial, manage):
        cpus = self.config.get("cpus", {"boot_vcpus": 1, "max_vcpus": 1})
        self.memory = Memory(self.config.get("memory", {"size": 512 * MIB}))
        self.files.append(self.memory.fd)
        pmem, pmem_mib = self._pmem()
        mib = self.memory.size // MIB
        share = "off" if self.memory.named and not self.memory.shared else "on"
        argv = [QEMU, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-machine", "q35,sata=off,smbus=off,i8042=off,hpet=off,usb=off,vmport=off,memory-backend=ram",
                 "-bios", "qboot.rom", "-accel", "tcg,thread=single", "-cpu", "max,la57=off,vmx=off,svm=off",
                 "-smp", str(cpus["boot_vcpus"]),
                 "-m", f"{mib}M" + (f",slots=32,maxmem={mib + pmem_mib}M" if pmem else ""),
                 "-object", f"memory-backend-file,id=ram,size={mib}M,share={share},mem-path=/proc/self/fd/{self.memory.fd}",
                 "-chardev", f"socket,id=serial,fd={serial}", "-serial", "chardev:serial",
                 "-chardev", f"socket,id=qmp,fd={manage}", "-mon", "chardev=qmp,mode=control",
                 "-global", "migration.store-global-state=off"]
        argv += self._payload() if fresh else self._restored_payload()
        return argv + pmem

    def start(self, fresh):
        """Start QEMU with the VM stopped; returns our end of its serial port."""
        serial, serial_far = socket.socketpair()
        manage, manage_far = socket.socketpair()
        with serial_far, manage_far:
            try:
                argv = self._command_line(fresh, serial_far.fileno(), manage_far.fileno())
                self.process = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent,
                    pass_fds=[*self.files, serial_far.fileno(), manage_far.fileno()])
            finally:
                for fd in self.files:
                    if not (self.process and fd == self.memory.fd):
                        os.close(fd)
        self.qmp = manage
        self._receive()  # the greeting
        self.execute("qmp_capabilities")
        return serial

    # ---- QMP ----

    def _receive(self):
        while b"\n" not in self.received:
            if not select.select([self.qmp], [], [], QMP_SECONDS)[0]:
                raise VmError("QEMU does not answer")
            piece = self.qmp.recv(65536)
            if not piece:
                raise VmError("QEMU ended")
            self.received += piece
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def execute(self, command, fd=None, **arguments):
        message = json.dumps({"execute": command, "arguments": arguments}).encode()
        if fd is None:
            self.qmp.sendall(message)
        else:
            socket.send_fds(self.qmp, [message], [fd])
        while True:
            answer = self._receive()
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise VmError(f"QEMU refuses {command}", answer["error"]["desc"])
            else:
                return answer["return"]

    def next_event(self, wait):
        """Return the next event. None: there is none yet, or QEMU has ended (with `wait`, when the
        socket is readable)."""
        if not self.events and (wait or b"\n" in self.received):
            self.events.append(self._receive())
        return self.events.pop(0) if self.events else None

    def _transfer(self, command, fd, **arguments):
        self.execute("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
        self.execute("getfd", fd=fd, fdname="state")
        self.execute(command, uri="fd:state", **arguments)
        while True:
            status = self.execute("query-migrate").get("status")
            if status == "completed":
                return
            if status == "failed":
                raise VmError(f"QEMU's {command} failed")
            select.select([self.qmp], [], [], 0.002)

    # ---- what a VM does ----

    def pause(self):
        self.execute("stop")

    def resume(self):
        self.execute("cont")

    def snapshot(self):
        """Devices and registers, as text."""
        fd = os.memfd_create("state")
        try:
            self._transfer("migrate", fd)
            size = os.fstat(fd).st_size
            return base64.b64encode(os.pread(fd, size, 0)).decode()
        finally:
            os.close(fd)

    def restore(self, state):
        fd = os.memfd_create("state")
        try:
            os.pwrite(fd, base64.b64decode(state), 0)
            os.lseek(fd, 0, os.SEEK_SET)
            self._transfer("migrate-incoming", fd)
        finally:
            os.close(fd)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            os.close(self.memory.fd)
        if self.qmp:
            self.qmp.close()
        self.process = self.qmp = None
