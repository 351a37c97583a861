# SPDX-License-Identifier: Apache-2.0
"""The peak memory of `pe-image import`, for images with few large files or many small ones.

The tars have content that compresses well, and are generated while pe-image reads them. The peak is
that which the kernel notes for pe-image itself (VmHWM in proc(5)), read every 2 ms until the
program ends.
"""
import io
import random
import re
import subprocess
import tarfile
import tempfile
import time

from fixtures.paths import program

from .. import host_ways

HELP = "peak memory of pe-image import for images of different shapes"
DESCRIPTION = __doc__
MIB = 1 << 20
# Number of files, and bytes of each. --quick: the first two.
SHAPES = [(10, 25 * MIB), (20_000, 1000), (80, 25 * MIB), (200_000, 1000), (1_000_000, 100)]
QUICK_SHAPES = 2


def add_arguments(parser):
    parser.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="repetitions (default 1)"
    )


def write_tar(out, files, size, pick):
    noise = pick.randbytes(MIB)
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for number in range(files):
            at = pick.randrange(MIB - 64)
            info = tarfile.TarInfo(f"{number // 1000}/{number}")
            info.size = size
            content = (str(number).encode() + noise[at : at + 40] * (size // 40 + 1))[:size]
            tar.addfile(info, io.BytesIO(content))


def noted_peak_mib(pid):
    """0 for a process that has ended. What wait4(2) reports has the peak of the process that forked
    it, too."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            found = re.search(r"^VmHWM:\s*(\d+) kB", file.read(), re.M)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) / 1024 if found else 0


def peak_mib(files, size, pick):
    """The peak of one import; None if it failed."""
    with tempfile.TemporaryDirectory(
        prefix="pe-bench-"
    ) as store, tempfile.TemporaryFile() as errors:
        importing = subprocess.Popen(
            [program("pe-image"), "import", "--json", "--name", "bench:1", "--store", store, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            return watch(importing, files, size, pick)
        finally:
            host_ways.end_with_descendants(importing)  # before its store is removed


def watch(importing, files, size, pick):
    """The peak of an import that has begun. None if it failed."""
    try:
        with importing.stdin:
            write_tar(importing.stdin, files, size, pick)
    except BrokenPipeError:
        pass  # its status says that it failed
    peak = 0
    while importing.poll() is None:
        peak = max(peak, noted_peak_mib(importing.pid))
        time.sleep(0.002)
    return None if importing.returncode else peak


def run(run):
    shapes = SHAPES[:QUICK_SHAPES] if run.quick else SHAPES
    steps = {
        f"{files} files of {size} bytes, round {number + 1}": (files, size)
        for number in range(run.options.rounds)
        for files, size in shapes
    }
    weights = {name: files + files * size / 10000 for name, (files, size) in steps.items()}
    for name in run.todo(list(steps), weights=weights):
        with run.step(name):
            files, size = steps[name]
            labels = {"files": files, "size": f"{files * size / MIB:.0f} MiB"}
            peak = peak_mib(files, size, random.Random(run.seed))
            if peak is None:
                run.fail("peak memory", "MiB", "pe-image import failed", **labels)
            else:
                run.add("peak memory", "MiB", peak, **labels)
