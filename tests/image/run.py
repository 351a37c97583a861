#!/usr/bin/env python3
"""pe-image from outside: tars, OCI images and registries in, what unsquashfs reads out; hostile ones; the store.

PE_BUILD names the build directory (default build). Prints `ok NAME` or `not ok NAME` with what went wrong.
Needs unsquashfs (squashfs-tools), skopeo, umoci and docker-registry.
"""
import os
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import oci_test  # noqa: E402
import registry_test  # noqa: E402
import run_test  # noqa: E402
import share_test  # noqa: E402
import store_test  # noqa: E402
import tar_test  # noqa: E402

MODULES = [tar_test, oci_test, registry_test, store_test, share_test, run_test]


def main():
    wanted = os.environ.get("PE_TEST", "")
    tests = [(name[5:].replace("_", " "), test) for module in MODULES
             for name, test in vars(module).items() if name.startswith("test_")]
    passed = failed = 0
    for name, test in tests:
        if wanted not in name:
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
