# SPDX-License-Identifier: Apache-2.0
"""pe-bench of a user who is not root: it works where that is possible, and says so elsewhere."""
import json
import subprocess

import pytest

from fixtures import engine
from fixtures.confined import AS_NOBODY
from fixtures.pe_bench import PROGRAM

ENGINE = ("--engine", engine.NAME)
COMMANDS = {
    "task": ("task", *ENGINE, "--rounds", "1", "--cold"),
    "parallel": ("parallel", "2", *ENGINE, "--rounds", "1"),
    "scaling": ("scaling", *ENGINE, "--max", "1", "--cooldown", "0"),
    "density": ("density", *ENGINE, "--most", "1", "--batch", "1", "--jobs", "1", "--idle", "0.1"),
    "boot": ("boot", "--engine", "uml+boot", "--rounds", "1"),
    "service": ("service", *ENGINE, "--rounds", "1", "--job", "echo"),
}


@pytest.fixture(name="run")
def fixture_run(tmp_path, monkeypatch):
    """A function that runs pe-bench as a user without rights."""
    tmp_path.chmod(0o777)
    for name in "XDG_RUNTIME_DIR", "TMPDIR":
        monkeypatch.setenv(name, str(tmp_path))

    def run(*arguments):
        argv = [*AS_NOBODY, PROGRAM, *arguments, "--output", str(tmp_path / "result.json")]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_a_measurement_of_a_user_has_all_figures(run, tmp_path, name):
    done = run(*COMMANDS[name])
    assert done.returncode == 0, done.stderr
    series = json.loads((tmp_path / "result.json").read_text())["series"]
    assert any(one["samples"] for one in series) and not any(one["failures"] for one in series)
    assert [one for one in tmp_path.iterdir() if "pe-bench" in one.name] == []


@pytest.mark.parametrize("name", ["compare", "isolation", "faults"])
def test_a_measurement_that_needs_root_says_so(run, tmp_path, name):
    done = run(name)
    assert (done.returncode, done.stderr) == (1, f"pe-bench: {name} needs root\n")
    assert list(tmp_path.iterdir()) == []
