# SPDX-License-Identifier: Apache-2.0
"""The work that `isolation` measures, as commands of sysbench(1), and how their output is read."""
import re
from dataclasses import dataclass

# What every run of sysbench prints about the time of its events, in milliseconds.
LATENCY = {"mean": r"^ +avg: +([\d.]+)$", "p95": r"^ +95th percentile: +([\d.]+)$"}
DATA = "/data"  # where the disk that is measured is mounted
FILES = 16


@dataclass(frozen=True)
class Work:
    """One kind of work. `throughput` finds its figure in the output; several groups are added."""

    name: str
    unit: str
    throughput: str
    arguments: tuple
    needs: str = ""  # "write" or "read": a disk that can be written, or only read

    def command(self, threads):
        if self.needs == "read":
            return list(self.arguments)
        return ["sysbench", *self.arguments, f"--threads={threads}", "run"]

    def script(self, threads):
        """The command for sh, in the folder of its data."""
        words = " ".join(self.command(threads))
        return f"cd {DATA} && exec {words}" if self.needs else f"exec {words}"


def cpu(primes, seconds):
    return Work(
        f"cpu, primes to {primes}",
        "events/s",
        r"events per second: +([\d.]+)",
        ("cpu", f"--cpu-max-prime={primes}", f"--time={seconds}"),
    )


def memory(block_mib, total_mib):
    return Work(
        f"memory, {block_mib} MiB blocks, {total_mib} MiB",
        "MiB/s",
        r"transferred \(([\d.]+) MiB/sec\)",
        # Without a limit of the time, so that it always writes the total.
        (
            "memory",
            f"--memory-block-size={block_mib}M",
            f"--memory-total-size={total_mib}M",
            "--time=0",
        ),
    )


def file_size(mib):
    return (f"--file-total-size={mib}M", f"--file-num={FILES}")


def fileio(mode, mib, seconds):
    return Work(
        f"fileio {mode}, {mib} MiB",
        "MiB/s",
        r"^ +(?:read|written), MiB/s: +([\d.]+)$",
        ("fileio", *file_size(mib), f"--file-test-mode={mode}", f"--time={seconds}"),
        "write",
    )


# sysbench opens its files for writing even if it only reads them, so it cannot measure a file system that
# cannot be written. dd reads the file of random bytes that the image and every disk have.
READ = Work(
    "read 64 MiB in order (dd)",
    "MiB/s",
    r"s, ([\d.]+ [kMG]B/s)$",
    ("sh", "-c", f"'dd if={DATA}/random of=/dev/null bs=1M 2>&1'"),
    "read",
)


def all_work(quick):
    """The kinds of work; `quick` shortens their times and sizes."""
    if quick:
        return [
            cpu(25000, 1),
            cpu(50000, 1),
            memory(4, 128),
            memory(8, 256),
            fileio("rndrw", 64, 1),
            fileio("seqrewr", 32, 1),
            READ,
        ]
    return [
        cpu(25000, 5),
        cpu(50000, 5),
        memory(4, 2048),
        memory(8, 4096),
        fileio("rndrw", 2048, 10),
        fileio("seqrewr", 1024, 10),
        READ,
    ]


def prepare_command(works):
    """Makes the files that the works need on a disk, in the current folder: those of the largest."""
    largest = max((one for one in works if one.needs == "write"), key=lambda one: size_mib(one))
    size = next(word for word in largest.arguments if word.startswith("--file-total-size"))
    return ["sysbench", "fileio", size, f"--file-num={FILES}", "prepare"]


def size_mib(work):
    return int(re.search(r"--file-total-size=(\d+)M", " ".join(work.arguments))[1])


class Unreadable(Exception):
    """The output has no figure where one is expected."""


def read_rate(text):
    """MiB per second, of a rate as dd(1) prints it."""
    number, unit = text.split()
    return float(number) * {"kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9}[unit] / (1 << 20)


def read_output(work, text):
    """{"throughput": …, "mean": …, "p95": …}: the throughput in the unit of the work, times in ms."""
    found = re.findall(work.throughput, text, re.M)
    if not found:
        raise Unreadable(f"no throughput in the output of {work.name}: {text.strip()[-300:]!r}")
    figures = {"throughput": sum(read_rate(one) if " " in one else float(one) for one in found)}
    for name, pattern in LATENCY.items():
        match = re.search(pattern, text, re.M)
        if match:
            figures[name] = float(match[1])
    return figures
