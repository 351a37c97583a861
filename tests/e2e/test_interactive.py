# SPDX-License-Identifier: Apache-2.0
"""pe-run with programs that run while one looks on: output as it is printed."""
import signal
import subprocess

import pytest

from fixtures.pe_run import PE_RUN, environment
from fixtures.waiting import PATIENCE


def start(service, *arguments, stdin=subprocess.PIPE):
    return subprocess.Popen(
        [PE_RUN, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(service),
    )


# ---- output ----


@pytest.mark.each_engine
def test_output_is_seen_while_the_program_runs(service):
    script = "echo one; echo two >&2; sleep 1000"
    job = start(service, "--timeout", "60", "busybox:1.35", "--", "sh", "-c", script, stdin=subprocess.DEVNULL)
    assert job.stdout.readline() == b"one\n"
    assert job.stderr.readline() == b"two\n"
    job.send_signal(signal.SIGINT)
    assert job.wait(PATIENCE) == 130
