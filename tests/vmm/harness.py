"""A folder with all that a walk through a VMM driver needs, checks that nothing is left of it, and tests as sentences."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PE_BUILD", os.path.join(TOP, "build"))
GUEST = os.path.join(TOP, "build", "guest")
KERNEL = os.path.join(GUEST, "vmlinux")
WALK = os.path.join(BUILD, "tests-vmm", "walk")
CALLS = os.path.join(BUILD, "tests-vmm", "calls")
QEMU = "/usr/bin/qemu-system-x86_64"
NOBODY = 65534
WALK_SECONDS = 240
TESTS = []


def test(function):
    """Registers a test; its name is its docstring."""
    TESTS.append((function.__doc__, function))
    return function


def cpio_entry(name, mode, content):
    """One file of a newc archive."""
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


class Bench:
    """Readable for the VMMs' user, wherever the source tree is."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="vmm-test-")
        os.chmod(self.folder, 0o755)
        self.standin = os.path.join(self.folder, "standin", "cloud-hypervisor")
        shutil.copytree(os.path.join(TOP, "tests", "standin"), os.path.dirname(self.standin),
                        ignore=shutil.ignore_patterns("__pycache__"))
        for path, folders, files in os.walk(os.path.dirname(self.standin)):
            for name in [*folders, *files, ""]:
                os.chmod(os.path.join(path, name), 0o755)
        self.initramfs = os.path.join(self.folder, "initramfs.cpio")
        with open(self.initramfs, "wb") as out:
            for part in (os.path.join(GUEST, "initramfs.cpio"),):
                with open(part, "rb") as file:
                    shutil.copyfileobj(file, out)
            with open(os.path.join(GUEST, "vmm-test"), "rb") as file:
                out.write(cpio_entry(b"vmm-test", 0o100755, file.read()))
            out.write(cpio_entry(b"TRAILER!!!", 0, b""))
        os.chmod(self.initramfs, 0o644)
        self.runs = 0

    def close(self):
        shutil.rmtree(self.folder)

    @property
    def program(self):
        return os.environ.get("PE_CLOUD_HYPERVISOR") or self.standin

    def run_dir(self):
        self.runs += 1
        path = os.path.join(self.folder, f"run-{self.runs}")
        os.mkdir(path, 0o755)
        return path

    def command(self, command, driver, run_dir, program=None):
        program = program or (QEMU if driver == "qemu" else self.program)
        return [WALK, command, driver, program, KERNEL, self.initramfs, run_dir, str(NOBODY)]

    def walk(self, command, driver, program=None, **env):
        """Runs it, and returns what it printed; what it started must have ended then, and left nothing."""
        run_dir = self.run_dir()
        done = subprocess.run(self.command(command, driver, run_dir, program), env={**os.environ, "PE_VMM_RUN": run_dir, **env},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WALK_SECONDS, check=False)
        assert done.returncode in (0, 1), f"walk ended with {done.returncode}: {done.stdout}"
        assert_nothing_left(run_dir)
        return done.stdout.strip()

    def calls(self):
        """Every call of the API, one after the other, on one VMM; its clean end leaves only the lock of its socket."""
        run_dir, snapshot = self.run_dir(), self.run_dir()
        socket, device = os.path.join(run_dir, "api.sock"), os.path.join(self.folder, "device")
        for name in (device, device + ".2"):
            with open(name, "wb") as file:
                file.truncate(2 << 20)
        vmm = subprocess.Popen([self.program, "--api-socket", f"path={socket}"], env={**os.environ, "PE_VMM_RUN": run_dir})
        try:
            done = subprocess.run([CALLS, str(vmm.pid), socket, KERNEL, self.initramfs, device, snapshot], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WALK_SECONDS)
            assert done.returncode in (0, 1), f"calls ended with {done.returncode}: {done.stdout}"
        finally:
            vmm.kill()
            vmm.wait()
        with contextlib.suppress(FileNotFoundError):  # releases before v53 have none
            os.unlink(socket + ".lock")
        assert_nothing_left(run_dir)
        return done.stdout

    def worker(self):
        """A real worker on this driver; the stand-in has no KVM and needs none but in appearance."""
        folder, here = self.run_dir(), os.path.dirname(os.path.abspath(__file__))
        command = [sys.executable, os.path.join(here, "worker.py"), self.program, folder]
        if self.program == self.standin:
            command = [*([] if os.geteuid() == 0 else ["sudo", "-n", "-E"]), os.path.join(here, "pretend-kvm"), *command]
        done = subprocess.run(command, env={**os.environ, "PE_BUILD": BUILD, "PE_HOME": os.path.join(TOP, "build")}, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WALK_SECONDS)
        return done.stdout if done.returncode == 0 else done.stdout + "not ok ends without a fault\n"


def processes_of(run_dir):
    """Those that inherited PE_VMM_RUN: a stand-in's QEMU has no other sign of where it belongs."""
    mark = f"PE_VMM_RUN={run_dir}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(pid))
    return found


def assert_nothing_left(run_dir):
    """Processes that were killed may take a moment to go."""
    deadline = time.monotonic() + 10
    while processes_of(run_dir) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes_of(run_dir), f"still running: {processes_of(run_dir)}"
    assert not os.listdir(run_dir), f"left: {os.listdir(run_dir)}"


def assert_in(wanted, text):
    assert wanted in text, f"'{wanted}' is not in: {text}"
