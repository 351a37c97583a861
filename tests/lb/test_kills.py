"""Jobs while slots and hosts are killed, and a crowd, with the stand-ins of bench/lb: smaller than there."""
import importlib.machinery
import importlib.util
import os

from harness import ROOT, equal, test


def load_bench():
    loader = importlib.machinery.SourceFileLoader("bench_lb", os.path.join(ROOT, "bench", "lb"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_lb", loader))
    loader.exec_module(module)
    return module


@test("every job is answered exactly once and right while slots and hosts are killed with -9")
def _():
    result = load_bench().kills(1500, 16)
    equal(result["wrong"], [])
    equal((result["kills"] > 5, result["retried"] > 0), (True, True), result)


@test("more clients than slots and queue can take are all answered or refused, and no file descriptor is left")
def _():
    statuses, left = load_bench().crowd(300, 50)[:2]
    equal((set(statuses), sum(statuses.values()), left <= 0), ({200, 503}, 300, True), statuses)
