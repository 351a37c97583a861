# SPDX-License-Identifier: Apache-2.0
"""A short run of bench/soak."""
import os
import subprocess
import sys

from fixtures import engine
from fixtures.paths import TOP


def test_no_job_is_lost_or_answered_wrongly_or_twice_while_everything_fails():
    command = [os.path.join(TOP, "bench/soak"), "--jobs", "300", "--engine", engine.NAME]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=3600)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "all promises are kept" in done.stdout
