#!/usr/bin/env python3
"""Runs every fuzzer on its small corpus: tests/fuzz/run.py [--seconds N]

Without arguments so many inputs as to take seconds, from a fixed seed; with --seconds each runs for that long. An input that
fails is kept in BUILD/fuzz, and said.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PE_BUILD", os.path.join(TOP, "build"))
RUNS, MAX_BYTES = 20000, 4096


def run(fuzzer, seconds):
    """None, or what is wrong."""
    name = os.path.basename(fuzzer)[len("fuzz_"):]
    seeds = os.path.join(TOP, "tests", "fuzz", "corpus", name)
    with tempfile.TemporaryDirectory(prefix="pe-fuzz-") as corpus:
        for seed in os.listdir(seeds):
            shutil.copy(os.path.join(seeds, seed), corpus)
        amount = [f"-max_total_time={seconds}"] if seconds else [f"-runs={RUNS}"]
        command = [fuzzer, "-seed=1", f"-max_len={MAX_BYTES}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
                   f"-artifact_prefix={os.path.dirname(fuzzer)}/{name}-", *amount, corpus]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        executed = re.search(r"number_of_executed_units: (\d+)", done.stdout)
        added = re.search(r"new_units_added: +(\d+)", done.stdout)
        if done.returncode != 0:
            return "\n".join(done.stdout.splitlines()[-60:])
        if not executed or int(executed.group(1)) < (RUNS if not seconds else 1) or int(added.group(1)) == 0:
            return "it did not run as it should:\n" + done.stdout[-2000:]
        print(f"# {name}: {executed.group(1)} inputs, {added.group(1)} of them led further")
    return None


def main():
    seconds = int(sys.argv[2]) if sys.argv[1:2] == ["--seconds"] else 0
    failed = 0
    fuzzers = sorted(path for path in glob.glob(os.path.join(BUILD, "fuzz", "fuzz_*")) if os.access(path, os.X_OK))
    sources = glob.glob(os.path.join(TOP, "tests", "fuzz", "fuzz_*.c"))
    if len(fuzzers) != len(sources):
        print("not ok every fuzzer is built")
        failed += 1
    for fuzzer in fuzzers:
        fault = run(fuzzer, seconds)
        print(f"{'not ok' if fault else 'ok'} no input breaks {os.path.basename(fuzzer)}", flush=True)
        if fault:
            print("  " + fault.replace("\n", "\n  "), flush=True)
            failed += 1
    print(f"{len(fuzzers) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
