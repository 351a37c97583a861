# SPDX-License-Identifier: Apache-2.0
"""Every fuzzer on its small corpus.

Each reads a fixed number of inputs from a fixed seed, so that the same inputs are read every time.
`make fuzz` (tests/fuzz/run) goes on from there. An input that breaks a fuzzer is kept in BUILD/fuzz."""
import os
import re

import pytest

from fixtures import fuzzers
from fixtures.paths import BUILD, TOP

RUNS = 4000
# So many inputs where one takes longer: it becomes files or connections, or a whole run of a balancer.
FEWER_RUNS = {"archive": 500, "balancer": 30, "ch_api": 500, "host_tokens": 1000, "layer": 1000, "oci": 500, "root_files": 1000, "tokens": 1000}


@pytest.mark.parametrize("name", fuzzers.names())
def test_no_input_breaks_the_reader_of(name, tmp_path):
    fuzzer = fuzzers.Fuzzer(BUILD, name)
    runs = FEWER_RUNS.get(name, RUNS)
    done = fuzzer.run(["-seed=1", f"-runs={runs}"], [str(tmp_path), fuzzer.seeds])
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-60:])
    assert fuzzers.statistic(done.stdout, "number_of_executed_units") >= runs, done.stdout[-2000:]
    assert fuzzers.statistic(done.stdout, "new_units_added") > 0, done.stdout[-2000:]


def test_the_table_of_fuzzers_names_each_of_them_and_files_that_exist():
    table = fuzzers.table()
    assert sorted(table) == fuzzers.names()
    for files in table.values():
        assert files
        assert [name for name in files if not os.path.exists(os.path.join(TOP, name))] == []


def test_each_first_input_has_a_name_that_says_what_it_is():
    """libFuzzer names what it finds by its SHA-1, and adds it to the first folder that it is given."""
    found = [name for _, _, names in os.walk(fuzzers.CORPUS) for name in names]
    assert found and [name for name in found if re.fullmatch("[0-9a-f]{40}", name)] == []
