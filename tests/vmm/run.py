#!/usr/bin/env python3
"""The VMM drivers behind worker/vmm/vmm.h: the same walk through each of them, faults of cloud-hypervisor, and its stand-in.

PE_CLOUD_HYPERVISOR names a real cloud-hypervisor to walk through (this needs KVM); without it the stand-in takes its place. Faults
are the stand-in's in either case."""

import concurrent.futures
import os
import sys
import traceback

sys.dont_write_bytecode = True
import test_faults  # noqa: E402,F401
import test_standin  # noqa: E402,F401
from harness import TESTS, Bench  # noqa: E402

# Most of their time the faults' tests wait for a deadline.
WORKERS = 3


def run_program(title, program):
    """The sentences of a program that checks for itself, with a title in front."""
    try:
        lines = program().splitlines()
        assert any(line.startswith("ok ") for line in lines), lines
        return [line.replace("ok ", f"ok {title}: ", 1) if line.startswith(("ok ", "not ok ")) else line for line in lines]
    except Exception:  # whatever it is, it is this program's end and not the other tests'
        return [*("# " + line for line in traceback.format_exc().splitlines()), f"not ok {title}: comes to its end"]


def run_test(bench, name, function):
    try:
        function(bench)
        return [f"ok {name}"]
    except Exception:  # a failed assertion, or anything else that should not be
        return [*("# " + line for line in traceback.format_exc().splitlines()), f"not ok {name}"]


def main():
    wanted = os.environ.get("PE_TEST", "")
    bench = Bench()
    failed = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            programs = [(driver, lambda d=driver, c=command: bench.walk(c, d)) for driver in ("qemu", "cloud-hypervisor")
                        for command in ("walk", "endings")]
            programs += [("cloud-hypervisor's API", bench.calls), ("pe-worker on cloud-hypervisor", bench.worker)]
            runs = [pool.submit(run_program, *program) for program in programs if wanted in program[0]]
            runs += [pool.submit(run_test, bench, name, function) for name, function in TESTS if wanted in name]
            for run in runs:
                lines = run.result()
                failed += sum(line.startswith("not ok") for line in lines)
                print("\n".join(lines), flush=True)
    finally:
        bench.close()
    sys.exit(1 if failed else 0)


main()
