# SPDX-License-Identifier: Apache-2.0
"""pe-bench isolation: how the output of sysbench is read, and what is computed from it."""
import pytest

from pe_bench.commands import isolation
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
