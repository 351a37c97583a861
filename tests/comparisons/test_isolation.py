# SPDX-License-Identifier: Apache-2.0
"""A whole run of pe-bench isolation: each kind of work by every way, on every kind of disk."""
import os

import pytest

from fixtures.whole_run import whole_run
from pe_bench import host_ways, sysbench

WORK = sysbench.all_work(quick=True)
READS = [work.name for work in WORK if work.needs == "read"]
WRITES = [work.name for work in WORK if work.needs == "write"]
PLAIN = [work.name for work in WORK if not work.needs]
HOST = ["native", "crun", "podman"]
# What has to have figures on each machine: (way, disk, kinds of work).
ALWAYS = [
    *((way, None, PLAIN) for way in (*HOST, "uml+boot", "qemu+tcg+boot")),
    *((way, "raw file, ext2", WRITES) for way in HOST),
    *((way, "a folder of the host", READS) for way in HOST),
    ("uml+boot", "ubd, squashfs", READS),
    ("uml+boot", "ubd, raw file, ext2", READS + WRITES),
    ("qemu+tcg+boot", "pmem, squashfs", READS),
    ("qemu+tcg+boot", "virtio-blk, raw file, ext2", READS + WRITES),
    ("qemu+tcg+boot", "virtio-blk, qcow2 file, ext2", READS + WRITES),
]
# What no machine can run.
NEVER = [
    ("uml+boot", "ubd, squashfs", WRITES),
    ("uml+boot", "ubd, qcow2 file, ext2", READS + WRITES),
    ("qemu+tcg+boot", "pmem, squashfs", WRITES),
]


@pytest.fixture(name="run", scope="module")
def fixture_run(no_process_is_left):
    with whole_run("isolation", "--quick", "--seed", "1") as run:
        yield run


def one_of(run, way, disk, work):
    """The throughput of some work by a way, on a disk."""
    wanted = {"way": way, "work": work, **({"disk": disk} if disk else {})}
    found = [one for one in run.series("throughput") if wanted.items() <= one["labels"].items()]
    assert len(found) == 1, (wanted, found)
    return found[0]


def test_every_kind_of_work_has_figures_by_each_way_and_on_each_disk_that_can_run_it(run):
    assert run.data["state"] == "complete" and run.data["quick"]
    for way, disk, works in ALWAYS:
        for work in works:
            one = one_of(run, way, disk, work)
            assert (len(one["samples"]), one["failures"], one["n/a"]) == (1, [], None), one
            assert one["samples"][0] > 0


def test_what_an_engine_cannot_run_is_na_with_the_reason(run):
    for way, disk, works in NEVER:
        for work in works:
            one = one_of(run, way, disk, work)
            assert one["n/a"] and not one["samples"], one


def test_each_way_and_disk_has_figures_or_a_reason(run):
    for one in run.series("throughput"):
        assert bool(one["samples"]) != bool(one["n/a"]) and one["failures"] == [], one
    by_way = {way: [one for one in run.series("throughput") if one["labels"]["way"] == way] for way in (
        "runsc", "qemu+kvm+boot", "cloud-hypervisor+kvm+boot"
    )}
    assert all(by_way.values())
    runsc_is_here = host_ways.Runsc("").missing() is None
    assert all(bool(one["samples"]) == runsc_is_here for one in by_way["runsc"])
    if not os.path.exists("/dev/kvm"):
        for way in "qemu+kvm+boot", "cloud-hypervisor+kvm+boot":
            assert all(one["n/a"] for one in by_way[way])


def test_work_that_sysbench_times_has_latencies(run):
    timed = {(one["labels"]["way"], one["labels"]["work"]) for one in run.series("latency, 95 %") if one["samples"]}
    for way in (*HOST, "uml+boot", "qemu+tcg+boot"):
        assert {(way, work) for work in (*PLAIN, *WRITES) if work.startswith(("cpu", "fileio"))} <= timed, way


def test_the_overhead_compares_each_way_with_the_native_program(run):
    overhead = run.series("overhead against native")
    measured = [one for one in run.series("throughput") if one["samples"]]
    assert len(overhead) == len(measured)
    assert all(one["samples"] == [1] for one in overhead if one["labels"]["way"] == "native")
    assert run.data["answer"].startswith("Compared with the native program, the same work takes ")


def test_the_tables_have_every_way(run):
    shown = run.shown()
    table = run.table('series="overhead against native" rows=way+disk columns=work figure=mean')
    for way in (*HOST, "uml+boot", "qemu+tcg+boot"):
        assert f"way={way} " in shown
        assert f"\n| {way}" in table
    assert "n/a: ubd, squashfs: squashfs cannot be written" in shown


def test_nothing_is_left_of_the_run(run):
    assert run.left() == []
