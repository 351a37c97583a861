"""One guest, booted directly under QEMU: what a slot does, in a few lines of Python, for tests of pe-init alone."""

import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time

MIB = 1 << 20
INPUT_BYTES = 48 * MIB
OUTPUT_BYTES = 24 * MIB
KERNEL_ARGS = "quiet panic=-1 cryptomgr.notests swiotlb=noforce mitigations=off"
MACHINE = "q35,sata=off,smbus=off,i8042=off,hpet=off,usb=off,vmport=off"
BOOT_TIMEOUT_S = 60
VARIANT = os.environ.get("PE_GUEST", "")  # a folder below build/guest with another kernel: small
CAPABILITIES = ["CAP_" + c for c in "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID".split()]


def make_config(memory_mib=896):
    """The OCI runtime config of a container, as a worker writes it."""
    mounts = [
        ("proc", "/proc", "proc", ["nosuid", "noexec", "nodev"]),
        ("tmpfs", "/dev", "tmpfs", ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        ("devpts", "/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        ("shm", "/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        ("sysfs", "/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
        ("/run/pe/boot_id", "/proc/sys/kernel/random/boot_id", "bind", ["bind", "ro", "nosuid", "nodev"]),
        ("/bin/pe-shim", "/dev/pe-shim", "bind", ["bind", "ro", "nosuid", "nodev"]),
    ]
    namespaces = ("pid", "mount", "ipc", "uts", "network", "cgroup")
    return {
        "ociVersion": "1.0.0",
        "root": {"path": "/run/pe/rootfs", "readonly": False},
        "hostname": "pe",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/dev/pe-shim"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {k: CAPABILITIES for k in ("bounding", "effective", "permitted")},
        },
        "mounts": [dict(zip(("source", "destination", "type", "options"), m)) for m in mounts],
        "linux": {
            "cgroupsPath": "/job/container",
            "namespaces": [{"type": n} for n in namespaces],
            "resources": {"memory": {"limit": memory_mib * MIB}, "pids": {"limit": 512}},
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


def make_program(command, env=("PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root")):
    """The `program` file: how many words, the words, the environment."""
    strings = [text.encode() if isinstance(text, str) else text for text in [*command, *env]]
    return b"%d\n" % len(command) + b"".join(text + b"\0" for text in strings)


def make_job(outputs=(), **changes):
    """The flat text of `job`."""
    keys = {
        "version": 2,
        "now_ns": 1700000000 * 10**9,
        "entropy": os.urandom(32).hex(),
        "timeout_ms": 20000,
        "stdout_limit": MIB,
        "stderr_limit": MIB,
        "output_limit": 16 * MIB,
        "output_files": 4096,
        "scratch_bytes": 512 * MIB,
    }
    keys.update(changes)
    lines = ["%s=%s" % item for item in keys.items()] + ["output=" + glob for glob in outputs]
    return "".join(line + "\n" for line in lines).encode()


def make_squashfs(folder, image):
    """Pack a folder, padded to the 2 MiB that virtio-pmem wants. Returns the size in bytes."""
    command = ["gensquashfs", "--quiet", "--force", "--compressor", "zstd", "--pack-dir", folder, image]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    size = -(-os.path.getsize(image) // (2 * MIB)) * 2 * MIB
    os.truncate(image, size)
    return size


def write_tree(folder, files):
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o755)


class Entry:
    def __init__(self, mode, mtime, content):
        self.mode, self.mtime, self.content = mode, mtime, content


def parse_archive(data):
    """newc entries by name, in order. Strict: this is what checks pe-init's writer."""
    entries, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701", "no cpio header at byte %d" % at
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, mtime, size, name_size = fields[1], fields[5], fields[6], fields[11]
        start = (at + 110 + name_size + 3) & ~3
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0") and name.count(b"\0") == 1, "name %r" % name
        if name == b"TRAILER!!!\0":
            return entries
        assert name[:-1] not in entries, "%r comes twice" % name
        assert start + size <= len(data), "%r is cut" % name
        entries[name[:-1]] = Entry(mode, mtime, data[start : start + size])
        at = (start + size + 3) & ~3


class Result:
    """What a guest delivered: fields of `result`, both streams, the files below dir/ by name (bytes)."""

    def __init__(self, archive):
        entries = parse_archive(archive)
        assert list(entries)[:3] == [b"result", b"stdout", b"stderr"], list(entries)[:3]
        self.text = entries.pop(b"result").content.decode()
        self.fields = dict(line.split("=", 1) for line in self.text.splitlines())
        self.status = self.fields["status"]
        self.exit_code = int(self.fields.get("exit_code", -1))
        self.signal = int(self.fields["signal"])
        self.dropped = int(self.fields["outputs_dropped"])
        self.stdout = entries.pop(b"stdout").content
        self.stderr = entries.pop(b"stderr").content
        assert all(name.startswith(b"dir/") for name in entries), list(entries)
        self.files = {name[4:]: entry for name, entry in entries.items()}

    def seconds(self, key):
        return int(self.fields[key]) / 1e6

    def __str__(self):
        return "%s  stdout %r\n  stderr %r\n  %d files %r" % (
            self.text, self.stdout[-400:], self.stderr[-400:], len(self.files), list(self.files)[:8])


class Guest:
    """A VM from boot to its end. Use as a context manager."""

    def __init__(self, build, rootfs, memory="1G"):
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="pe-guest-", dir=shm)
        self.input = os.path.join(self.folder, "input")
        self.output = os.path.join(self.folder, "output")
        self.heard = b""
        for path, size in ((self.input, INPUT_BYTES), (self.output, OUTPUT_BYTES)):
            with open(path, "wb") as file:
                file.truncate(size)
        listener = socket.socket(socket.AF_UNIX)
        path = os.path.join(self.folder, "control")
        listener.bind(path)
        listener.listen(1)
        self.log = open(os.path.join(self.folder, "qemu.log"), "wb+")
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(self.command(build, rootfs, memory, path),
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        listener.settimeout(10)
        try:
            self.control, _ = listener.accept()
        except OSError:
            self.close()
            raise
        finally:
            listener.close()

    def command(self, build, rootfs, memory, control):
        kernel = os.path.join(build, VARIANT, "vmlinux")
        initramfs = os.path.join(build, VARIANT, "initramfs.cpio")
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max,la57=off", "-machine", MACHINE,
                   "-bios", "qboot.rom",
                   "-m", memory + ",slots=4,maxmem=4G", "-nodefaults", "-no-user-config", "-display", "none",
                   "-no-reboot", "-kernel", kernel, "-initrd", initramfs,
                   "-append", KERNEL_ARGS, "-chardev", "socket,id=control,path=" + control,
                   "-serial", "chardev:control"]
        devices = ((rootfs, "on"), (self.input, "off"), (self.output, "off"))
        for i, (path, readonly) in enumerate(devices):
            command += ["-object", "memory-backend-file,id=mem%d,share=on,readonly=%s,mem-path=%s,size=%d"
                        % (i, readonly, path, os.path.getsize(path)),
                        "-device", "virtio-pmem-pci,memdev=mem%d,id=pmem%d" % (i, i)]
        return command

    def hear(self, timeout_s):
        """The next line on the control channel, without its end."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self.heard:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.control], [], [], left)[0]:
                raise AssertionError("guest silent for %d s after %r" % (timeout_s, self.heard))
            data = self.control.recv(4096)
            if not data:
                self.log.seek(0)
                raise AssertionError("QEMU ended: %s" % self.log.read().decode(errors="replace"))
            self.heard += data
        line, self.heard = self.heard.split(b"\n", 1)
        return line.decode(errors="replace")

    def wait_ready(self):
        line = self.hear(BOOT_TIMEOUT_S)
        assert line == "ready", "the guest said %r" % line
        self.ready_s = time.monotonic() - self.started

    def write_input(self, config, program, job, files=None, stdin=None, device=None):
        device = device or self.input
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            write_tree(folder, {"config.json": config, "job": job})
            if program is not None:
                write_tree(folder, {"program": program})
            if stdin is not None:
                write_tree(folder, {"stdin": stdin})
            os.mkdir(os.path.join(folder, "dir"))
            write_tree(os.path.join(folder, "dir"), files or {})
            image = device + ".new"
            make_squashfs(folder, image)
            with open(image, "rb") as source, open(device, "r+b") as target:
                target.write(source.read())
            os.unlink(image)

    def go(self, timeout_s=90):
        """Say go, wait for done, read the output device."""
        begin = time.monotonic()
        self.control.sendall(b"go\n")
        line = self.hear(timeout_s)
        self.job_s = time.monotonic() - begin
        assert line == "done", "the guest said %r" % line
        with open(self.output, "rb") as file:
            return Result(file.read())

    def run(self, command, files=None, stdin=None, memory_mib=896, **job):
        """One job from beginning to end."""
        self.wait_ready()
        config = json.dumps(make_config(memory_mib)).encode()
        self.write_input(config, make_program(command), make_job(**job), files, stdin)
        return self.go()

    def close(self):
        self.qemu.kill()
        self.qemu.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.close()
        self.close()
