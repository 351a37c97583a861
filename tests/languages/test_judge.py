# SPDX-License-Identifier: Apache-2.0
"""The example of docs/cases.md in the languages whose images `make languages` builds. The others are in
tests/e2e/test_cases.py."""
import subprocess

import pytest

from fixtures import engine
from fixtures.paths import TOP


@pytest.mark.parametrize("language", ["cc", "pl"])
def test_every_solution_gets_its_verdict(service, language):
    done = subprocess.run(
        [f"{TOP}/examples/judge/judge", *engine.JUDGE_OPTIONS, f"http://{service.balancer.tcp}", language],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 6
