# SPDX-License-Identifier: Apache-2.0
"""pe-bench isolation: how the output of sysbench is read, and what is computed from it."""
import argparse

import pytest

from pe_bench.commands import isolation
from pe_bench.run import Run
from pe_bench.sysbench import READ, Unreadable, all_work, cpu, fileio, memory, prepare_command, read_output

CPU = """CPU speed:
    events per second:   265.82

General statistics:
    total time:                          1.0061s
    total number of events:              268

Latency (ms):
         min:                                    1.41
         avg:                                    3.73
         max:                                   17.48
         95th percentile:                        9.56
         sum:                                  999.04
"""
MEMORY = "Total operations: 32 ( 1032.68 per second)\n\n128.00 MiB transferred (4130.71 MiB/sec)\n"
FILEIO = """Throughput:
    read, MiB/s:                  361.77
    written, MiB/s:               241.18

Latency (ms):
         avg:                                    0.03
         95th percentile:                        0.00
"""
DD = "64+0 records in\n64+0 records out\n67108864 bytes (67 MB, 64 MiB) copied, 0.0312 s, 2.1 GB/s\n"


def test_the_output_of_the_work_for_the_cpu_is_read():
    assert read_output(cpu(25000, 1), CPU) == {"throughput": 265.82, "mean": 3.73, "p95": 9.56}


def test_the_output_of_the_work_for_memory_is_read():
    assert read_output(memory(4, 128), MEMORY) == {"throughput": 4130.71}


def test_what_files_are_read_and_written_with_is_added():
    figures = read_output(fileio("rndrw", 64, 1), FILEIO)
    assert figures == {"throughput": pytest.approx(602.95), "mean": 0.03, "p95": 0.0}


def test_the_rate_of_dd_is_converted_to_mib_per_second():
    assert read_output(READ, DD)["throughput"] == pytest.approx(2.1e9 / (1 << 20))


def test_output_without_a_figure_is_an_error_and_not_a_sample():
    with pytest.raises(Unreadable, match="FATAL"):
        read_output(cpu(25000, 1), "FATAL: unknown option\n")


def test_the_files_are_made_once_for_the_largest_work():
    assert "--file-total-size=2048M" in prepare_command(all_work(quick=False))
    assert "--file-total-size=64M" in prepare_command(all_work(quick=True))


def test_threads_are_as_many_as_the_cpus():
    assert cpu(25000, 10).command(2)[-2:] == ["--threads=2", "run"]


def series(way, samples, cpus="1"):
    labels = {"way": way, "work": "cpu", "cpus": cpus}
    return {"name": "throughput", "labels": labels, "samples": samples}


def test_the_overhead_compares_means_with_the_native_program_on_as_many_cpus():
    measured = [series("native", [90, 110]), series("uml+boot", [50]), series("uml+boot", [], cpus="2")]
    assert isolation.overheads(measured) == [(measured[0]["labels"], 1.0), (measured[1]["labels"], 2.0)]
    assert isolation.sentence(measured).endswith("2 to 2 times in uml+boot.")


def test_there_is_no_overhead_without_the_native_program():
    assert isolation.sentence([series("crun", [1])]).startswith("There are no figures")


class AnsweringMachine(isolation.Machine):
    """A VM that answers at once."""

    def run(self, work):
        return MEMORY


def test_what_an_engine_cannot_run_is_na_with_the_reason_and_all_else_is_measured(tmp_path, monkeypatch):
    works = [memory(4, 128), fileio("rndrw", 64, 1)]
    targets = [
        (AnsweringMachine("uml+boot", "store", 1, 1024), None),
        (AnsweringMachine("uml+boot", "store", 2, 1024), "User Mode Linux has one CPU"),
    ]
    monkeypatch.setattr(isolation, "chosen_work", lambda run: works)
    monkeypatch.setattr(isolation, "make_targets", lambda run, works: targets)
    settings = {"command": "isolation", "output": str(tmp_path / "run.json"), "resume": False, "seed": 1}
    measured = Run(argparse.Namespace(**settings, quick=False, repetitions=5), ["isolation"])
    isolation.run(measured)
    found = {(one["labels"]["work"], one["labels"]["cpus"]): one for one in measured.all_series()}
    assert found[works[0].name, "1"]["samples"] == [4130.71] * 5
    assert found[works[0].name, "2"]["n/a"] == "User Mode Linux has one CPU"
    assert found[works[1].name, "1"]["n/a"] == "ubd, squashfs: squashfs cannot be written"
    assert not found[works[1].name, "1"]["samples"]
