# SPDX-License-Identifier: Apache-2.0
"""Every fuzzer on its small corpus.

Each reads a fixed number of inputs from a fixed seed, which takes seconds. PE_FUZZ_SECONDS runs
each of them for that long instead (`make fuzz`). An input that breaks a fuzzer is kept in
BUILD/fuzz."""
import glob
import os
import re
import shutil
import subprocess

import pytest

from fixtures.paths import BUILD, TOP

RUNS, MAX_BYTES = 20000, 4096
SECONDS = int(os.environ.get("PE_FUZZ_SECONDS", "0"))
SOURCES = sorted(glob.glob(os.path.join(TOP, "tests/fuzz/fuzz_*.c")))
NAMES = [os.path.basename(source)[len("fuzz_") : -len(".c")] for source in SOURCES]


@pytest.mark.parametrize("name", NAMES)
def test_no_input_breaks_the_reader_of(name, tmp_path):
    seeds, folder = os.path.join(TOP, "tests/fuzz/corpus", name), os.path.join(BUILD, "fuzz")
    for seed in os.listdir(seeds):
        shutil.copy(os.path.join(seeds, seed), tmp_path)
    amount = f"-max_total_time={SECONDS}" if SECONDS else f"-runs={RUNS}"
    options = ["-seed=1", f"-max_len={MAX_BYTES}", "-timeout=60", "-rss_limit_mb=1024"]
    options += ["-print_final_stats=1", f"-artifact_prefix={folder}/{name}-", amount]
    command = [os.path.join(folder, f"fuzz_{name}"), *options, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    output = done.stdout + done.stderr
    assert done.returncode == 0, "\n".join(output.splitlines()[-60:])
    executed = int(re.search(r"number_of_executed_units: (\d+)", output)[1])
    added = int(re.search(r"new_units_added: +(\d+)", output)[1])
    assert executed >= (1 if SECONDS else RUNS), output[-2000:]
    assert added > 0, output[-2000:]
