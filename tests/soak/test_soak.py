# SPDX-License-Identifier: Apache-2.0
"""A short run of bench/soak."""
import os
import subprocess
import sys

from fixtures import engine
from fixtures.paths import TOP
from fixtures.pe_bench import series_of
from pe_bench import results


def test_no_job_is_lost_or_answered_wrongly_or_twice_while_everything_fails(tmp_path):
    file = str(tmp_path / "soak.json")
    command = [os.path.join(TOP, "bench/soak"), "--jobs", "300", "--engine", engine.NAME, "--output", file]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=3600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "all promises are kept" in done.stdout
    data = results.read(file)
    assert data["answer"] == "All promises are kept."
    assert series_of(data, "jobs", outcome="answered rightly", engine=engine.NAME)["samples"] == [300]
