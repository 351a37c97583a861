#!/usr/bin/env python3
"""End to end: the real balancer, the real worker, real VMs. Each test is a sentence about the service; after every job
that tries to do harm the next ordinary job must work and nothing may be left behind."""
import os
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import service as s  # noqa: E402

sys.modules.setdefault("run", sys.modules["__main__"])

TESTS = []


def test(sentence):
    def add(function):
        TESTS.append((sentence, function))
        return function
    return add


def nothing_is_left(service):
    """The next ordinary job works, each slot has at most one VM, and no file was forgotten."""
    outcome = service.run("echo still here")
    s.check_equal(outcome.stdout, b"still here\n", "the next ordinary job")
    s.check(len(service.vmm_pids()) <= service.slots, "more VMMs than slots:", service.vmm_pids())
    s.check_equal(s.shared_places() - service.places_before, set(), "files left behind")
    health = service.health()
    s.check_equal((health["queued"], health["running"]), (0, 0), "jobs in the balancer")


# The order of import is the order of the run.
import jobs_test  # noqa: E402,F401
import refusals_test  # noqa: E402,F401
import hostile_test  # noqa: E402,F401
import loss_test  # noqa: E402,F401
import host_test  # noqa: E402,F401
import engine_test  # noqa: E402,F401
import cli_test  # noqa: E402,F401


def main():
    wanted = os.environ.get("PE_TEST", "")
    chosen = [(sentence, function) for sentence, function in TESTS if wanted in sentence]
    before = s.qemu_pids()
    places = s.shared_places()
    service = s.Service()
    service.places_before = places | {service.directory.name}
    passed = failed = 0
    try:
        service.start()
        for sentence, function in chosen:
            try:
                function(service)
                print(f"ok {sentence}", flush=True)
                passed += 1
            except Exception as error:  # noqa: BLE001: a test may fail in any way
                failed += 1
                print(f"not ok {sentence}\n  {type(error).__name__}: {error}", flush=True)
                if not isinstance(error, s.Failure):
                    traceback.print_exc(file=sys.stdout)
                print("  " + "\n  ".join(service.read_log().splitlines()[-15:]), flush=True)
    finally:
        service.stop()
    sentence = "when the service has ended, no VMM, file or shared memory of it remains"
    left = (s.qemu_pids() - before, s.shared_places() - places)
    if left == (set(), set()):
        print(f"ok {sentence}")
        passed += 1
    else:
        print(f"not ok {sentence}: {left}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
