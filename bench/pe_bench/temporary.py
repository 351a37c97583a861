# SPDX-License-Identifier: Apache-2.0
"""The folder for all temporary files of a run, also of the programs that it starts: some of these are killed
when the run is interrupted, and would leave theirs behind."""
import os
import subprocess
import sys
import tempfile


def make_folder():
    """Make the folder. From now on it is that of this process and of its children."""
    folder = tempfile.mkdtemp(prefix="pe-bench-")
    os.chmod(folder, 0o711)  # VMMs, workers and apt have users of their own
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    return folder


def mounts_below(folder):
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point.startswith(f"{os.path.realpath(folder)}/")]


def remove_folder(folder):
    """Remove the folder when no process uses it any more, but nothing that is mounted in it."""
    if mounts := mounts_below(folder):
        print(f"pe-bench: {folder} is kept, because {mounts[0]} is mounted", file=sys.stderr)
        return
    subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], check=False)


def remove_if_empty(folder):
    """Remove the folder if there is nothing in it, and say where it is otherwise."""
    try:
        os.rmdir(folder)
    except OSError:
        print(f"pe-bench: what the run has left is in {folder}", file=sys.stderr)
