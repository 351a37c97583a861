# SPDX-License-Identifier: Apache-2.0
"""The folder for all temporary files of a run, also of the programs that it starts: some of these are killed
when the run is interrupted, and would leave theirs behind.

pe-bench holds a lock (flock) on its folder as long as it lives. After SIGKILL there is a folder without a lock,
which the next run of the same user removes, with what is mounted in it and with the processes that are left."""
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile

PREFIX = "pe-bench."
NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")  # as mkdtemp makes it
FAILED = "failed-"  # before the name of a folder that is kept for people

_locks = []  # descriptors of folders, which stay open until this process ends


def make_folder():
    """Remove the folders of runs that were killed, and make one. From now on it is that of this process and of
    its children."""
    remove_abandoned(tempfile.gettempdir())
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        lock = lock_folder(folder)
        if lock is not None:
            break  # otherwise another run has taken it for abandoned, and removes it
    _locks.append(lock)
    os.chmod(folder, 0o711)  # VMMs, workers and apt have users of their own
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    return folder


def lock_folder(folder):
    """A descriptor with the lock of the folder. None if another process has it, if the folder is gone, or if it
    belongs to another user."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(lock), os.lstat(folder)
        if mine.st_uid == os.geteuid() and os.path.samestat(mine, there):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def remove_abandoned(parent):
    """Remove the folders below `parent` whose runs were killed. What cannot be removed is told."""
    for name in sorted(filter(NAME.fullmatch, os.listdir(parent))):
        folder = os.path.join(parent, name)
        lock = lock_folder(folder)
        if lock is None:
            continue
        print(f"pe-bench: removing {folder}, which a run that was killed has left", file=sys.stderr)
        kill_users(folder)
        unmount_below(folder)
        remove_folder(folder)
        os.close(lock)


def kill_users(folder):
    """Kill the processes whose temporary folder this is: they were started by the run. VMs end with them."""
    wanted = f"TMPDIR={folder}".encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or it belongs to somebody else
            with open(f"/proc/{pid}/environ", "rb") as file:
                found = wanted in file.read().split(b"\0")
            if found and int(pid) != os.getpid():
                os.kill(int(pid), signal.SIGKILL)


def mounts_below(folder):
    """The mount points in the folder, in the order in which they were mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point.startswith(f"{os.path.realpath(folder)}/")]


def unmount_below(folder):
    """Unmount what is mounted in the folder. What a run mounts it also unmounts, unless it is interrupted while it
    starts or ends something."""
    for point in reversed(mounts_below(folder)):  # the last one may be inside of an earlier one
        subprocess.run(["umount", "--lazy", "--", point], check=False)


def remove_folder(folder):
    """Remove the folder when no process uses it any more, but nothing that is mounted in it."""
    if mounts := mounts_below(folder):
        print(f"pe-bench: {folder} is kept, because {mounts[0]} is mounted", file=sys.stderr)
        return
    subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], check=False)


def remove_if_empty(folder):
    """Remove the folder if there is nothing in it. Otherwise it gets a name under which no later run removes it,
    and its place is told."""
    try:
        os.rmdir(folder)
    except OSError:
        kept = os.path.join(os.path.dirname(folder), FAILED + os.path.basename(folder))
        os.rename(folder, kept)
        print(f"pe-bench: what the run has left is in {kept}", file=sys.stderr)
