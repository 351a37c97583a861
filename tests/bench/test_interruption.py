# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends every measurement: its file has what was measured, nothing else is left, and the command that it
prints goes on."""
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from fixtures import engine, processes, vmm_processes
from fixtures.paths import TOP
from fixtures.pe_bench import PROGRAM
from fixtures.waiting import eventually

# Subcommands with what makes them short. Those that are not here have tests of their own: load and regress in
# their files, scaling in test_measurements.py. compare and isolation need images that only tests/comparisons makes.
ENGINE = ("--engine", engine.NAME)
COMMANDS = {
    "task": ("task", *ENGINE, "--rounds", "1", "--cold", "--", "sleep", "8"),
    "parallel": ("parallel", "2", *ENGINE, "--rounds", "1", "--", "sleep", "8"),
    "density": ("density", *ENGINE, "--most", "1", "--batch", "1", "--jobs", "1", "--idle", "0.1", "--", "sleep", "3"),
    "boot": ("boot", "--engine", "uml+boot", "--rounds", "8"),
    "service": ("service", *ENGINE, "--rounds", "1", "--job", "echo"),
    "faults": ("faults", *ENGINE, "--workers", "1", "--slots", "1", "--seconds", "3", "--network", "proxy"),
    "image-memory": ("image-memory", "--quick"),
}

# Ends what a program of its own has started, as pe-bench does, and prints how long that took.
END = """
import sys, time
sys.path[:0] = sys.argv[1:3]
from pe_bench import processes
import subprocess
processes.adopt_orphans()
subprocess.Popen(["sh", "-c", sys.argv[3]])
time.sleep(1)
began = time.monotonic()
processes.end_all_children(float(sys.argv[4]))
print(time.monotonic() - began)
"""


@pytest.fixture(name="place", autouse=True)
def fixture_place(tmp_path, monkeypatch):
    """Temporary files are made in the folder of the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def start(*arguments):
    argv = [PROGRAM, *map(str, arguments)]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(argv, **streams, start_new_session=True)


def interrupt_and_continue(file, name, *options):
    """Interrupt a measurement as soon as it has started something, and run the command that it then prints."""
    running = start(name, "--output", file, "--seed", "1", *options)
    eventually(lambda: file.exists() and processes.descendants(running.pid), "it has begun")
    time.sleep(0.5)  # so that there is more than a first process
    below = processes.descendants(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert running.returncode == 130, errors
    processes.wait_until_gone(below, "what the measurement has started")
    assert vmm_processes.left_by(below) == []
    assert json.loads(file.read_text())["state"] == "interrupted"
    return shlex.split(re.search(r"continue with: (.*)", errors)[1])


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupted_measurement_leaves_nothing_but_its_file_and_goes_on(place, name):
    file = place / "result.json"
    command = interrupt_and_continue(file, *COMMANDS[name])
    assert os.listdir(place) == ["result.json"]
    again = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    data = json.loads(file.read_text())
    assert (data["state"], data["seed"]) == ("complete", 1)
    assert any(one["samples"] for one in data["series"]) and not any(one.get("partial") for one in data["series"])
    assert os.listdir(place) == ["result.json"]


def end(script, patience_s):
    argv = [sys.executable, "-B", "-c", END, f"{TOP}/bench", f"{TOP}/tests", script, str(patience_s)]
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def test_at_the_end_of_a_run_children_are_asked_to_end_before_they_are_killed(place):
    made = place / "made"
    orphan = f"(trap 'rm {made}; exit' TERM; echo >{made}; while :; do sleep 0.1; done) & wait"
    end(orphan, 60)
    assert not made.exists()


def test_at_the_end_of_a_run_children_that_do_not_end_are_killed():
    assert end("trap '' TERM; sleep 1000 & wait", 1) >= 1
