#!/usr/bin/env python3
"""pe-run from outside: against a server that answers as told, and with stand-ins for pe-lb and pe-worker; the manual
pages, completions and installation of all programs.

PE_BUILD names the build directory (default build), PE_TEST or the arguments parts of the names of tests to run. Prints `ok NAME`
or `not ok NAME` with what went wrong.
"""
import os
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import test_completion
import test_exit
import test_images
import test_install
import test_jobs
import test_local
import test_manual
import test_profiles
import test_terminal
import test_watch

MODULES = (test_jobs, test_exit, test_local, test_terminal, test_images, test_profiles, test_watch, test_manual, test_install,
           test_completion)


def main():
    wanted = sys.argv[1:] or [os.environ.get("PE_TEST", "")]
    tests = [(name[5:].replace("_", " "), test) for module in MODULES for name, test in vars(module).items()
             if name.startswith("test_") and test.__module__ == module.__name__]
    passed = failed = 0
    for name, test in tests:
        if not any(part in name for part in wanted):
            continue
        with tempfile.TemporaryDirectory(prefix="pe-test-") as work:
            try:
                test(work)
                passed += 1
                print(f"ok {name}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
