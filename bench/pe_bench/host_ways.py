# SPDX-License-Identifier: Apache-2.0
"""The ways to run a program on this host without a VM: natively, and with crun, podman and runsc.

All of them see the same root file system, read-only, with a /tmp in memory and a folder of the host at /work.
Their namespaces are those of a job; "native" has none. No way sets limits for memory or CPU time."""
import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from fixtures import processes
from fixtures.bundle import PATH, write_config
from fixtures.paths import HOME

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Runs "$@" after the commands $1, and writes when it began and ended and its status to descriptor $2.
TIMED = r"""
eval "$1" || exit 125
report=$2; shift 2
begin=$EPOCHREALTIME; "$@"; status=$?; end=$EPOCHREALTIME
echo "$begin $end $status" >&"$report"
"""

MOST_OF_RUNROOT = 50  # characters of the path, for podman
END_S = 5  # until a program and what it has started have ended that were asked to

# crun refuses hosts with hybrid cgroups, so cgroup2 alone takes their place in the mount namespace.
ONLY_CGROUP2 = "{ umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; }"


class Failed(Exception):
    """A program could not be run, or ended with a status other than 0."""


@dataclass
class Outcome:
    """The seconds from the start of the command to its end, and what it printed."""

    seconds: float
    stdout: str


@dataclass
class Place:
    """Where a program runs: the root file system, and folders of the host as (path, path inside)."""

    root: str
    folders: list


def run_timed(command, prepare=":", isolated=True, timeout_s=3600, cpus=None):
    """Run a command after the shell's commands `prepare`. If it is isolated, both run in a mount namespace of
    their own, which needs root. `cpus`: the only ones that it may use."""
    read_end, write_end = os.pipe()
    argv = ["taskset", "--cpu-list", ",".join(map(str, cpus))] if cpus else []
    argv += ["unshare", "--mount"] if isolated else []
    prepare = f"{ONLY_CGROUP2} && {prepare}" if isolated else prepare
    argv += ["bash", "-c", TIMED, "bash", prepare, str(write_end), *command]
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[write_end],
        start_new_session=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    os.close(write_end)
    with open(read_end, encoding="ascii") as file:
        try:
            stdout, stderr = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{os.path.basename(command[0])} did not end within {timeout_s} s") from None
        finally:
            end_with_descendants(child)
        report = file.read().split()
    errors, name = stderr.decode(errors="replace").strip()[-400:], os.path.basename(command[0])
    if len(report) != 3:
        raise Failed(f"{name} could not be started: {errors}")
    begin, end, status = float(report[0]), float(report[1]), int(report[2])
    if status:
        raise Failed(f"{name} ended with status {status}: {errors}")
    return Outcome(end - begin, stdout.decode(errors="replace"))


def end_with_descendants(child):
    """End a process that is still running, with all that it has started, and reap it. They are asked to end, since
    pe-vm then removes the folder and the cgroup of its VM, and killed after some time."""
    if child.poll() is None:
        below = processes.descendants(child.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + END_S
        while any(map(processes.is_running, (*below, child.pid))) and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in filter(processes.is_running, (*below, *processes.descendants(child.pid), child.pid)):
            processes.kill_hard(pid)
    child.wait()


class Native:
    """chroot(8), in no namespace but the mounts."""

    name = "native"

    def missing(self):
        return None

    def run(self, place, cmd, cpus=None):
        mounts = [f"mount -t tmpfs none '{place.root}/tmp'", f"mount -t proc none '{place.root}/proc'"]
        mounts += [f"mount --bind '{outer}' '{place.root}{inner}'" for outer, inner in place.folders]
        inside = f'export PATH={PATH}; cd /work && exec "$@"'
        command = ["chroot", place.root, "sh", "-c", inside, "sh", *cmd]
        return run_timed(command, " && ".join(mounts), cpus=cpus)


class Runtime:
    """An OCI runtime that gets a bundle."""

    def __init__(self, name, folder):
        self.name, self.folder, self.count = name, folder, 0

    def missing(self):
        return None if shutil.which(self.name) else f"{self.name} is not installed"

    def arguments(self):
        return [self.name, "--cgroup-manager=disabled", f"--root={self.folder}/state"]

    def run(self, place, cmd, cpus=None):
        self.count += 1
        write_config(self.folder, place.root, cmd, place.folders, readonly=True)
        container = f"pe-bench-{os.getpid()}-{self.name}-{self.count}"
        return run_timed([*self.arguments(), "run", "--bundle", self.folder, container], cpus=cpus)


class Runsc(Runtime):
    """gVisor, with its default platform (systrap)."""

    def __init__(self, folder):
        super().__init__("runsc", folder)

    def program(self):
        """That of the system, or the one that bench/download-runsc has fetched."""
        fetched = os.path.join(HOME, "runsc/usr/bin/runsc")
        return shutil.which("runsc") or (fetched if os.access(fetched, os.X_OK) else None)

    def missing(self):
        return None if self.program() else "runsc is not installed; bench/download-runsc build/runsc fetches it"

    def arguments(self):
        state = os.path.join(self.folder, "state")
        return [self.program(), "--root", state, "--ignore-cgroups", "--network=none"]


class Podman:
    """podman with crun, without an image of its own: it gets the root file system as a folder."""

    name = "podman"

    def __init__(self, folder):
        self.folder = folder

    def missing(self):
        if not shutil.which("podman"):
            return "podman is not installed"
        if (beyond := len(self.runroot()) - MOST_OF_RUNROOT) > 0:
            return f"podman refuses the folder {self.runroot()}; TMPDIR has to be shorter by {beyond} characters"
        return None

    def runroot(self):
        return f"{self.folder}/run"

    def run(self, place, cmd, cpus=None):
        base = ["podman", "--root", f"{self.folder}/storage", "--runroot", self.runroot()]
        base += ["--cgroup-manager=cgroupfs", "--runtime=crun", "--events-backend=none"]
        base += [f"--runtime-flag=root={self.folder}/state"]  # crun's own files, which it leaves when it is killed
        base += ["run", "--rm", "--cgroups=disabled", "--network=none", "--log-driver=none", "--workdir=/work"]
        # Its defaults are above the limits of this process, and to exceed them needs CAP_SYS_RESOURCE.
        base += ["--ulimit=nofile=1000:1000", "--ulimit=nproc=1000:1000", "--read-only"]
        folders = [f"--volume={outer}:{inner}" for outer, inner in place.folders]
        return run_timed([*base, *folders, f"--env=PATH={PATH}", "--rootfs", place.root, *cmd], cpus=cpus)

    def close(self):
        """podman leaves mounts behind in its storage."""
        for name in "storage/overlay", "storage":
            mount = os.path.join(self.folder, name)
            subprocess.run(["umount", "-l", mount], capture_output=True, check=False)


def all_ways(folder):
    """Every way, with folders of its own below `folder`."""
    ways = [Native(), Runtime("crun", f"{folder}/crun"), Podman(f"{folder}/podman"), Runsc(f"{folder}/runsc")]
    for way in ways[1:]:
        os.makedirs(way.folder)
    return ways


def close_all(ways):
    for way in ways:
        if hasattr(way, "close"):
            way.close()


def make_mount_points(place):
    """The folders of the root on which something is mounted."""
    for inner in ("/proc", "/tmp", "/dev", *(inner for _, inner in place.folders)):
        os.makedirs(place.root + inner, exist_ok=True)
