# SPDX-License-Identifier: Apache-2.0
"""deploy/podman and deploy/systemd: their command lines have only options that the programs know, and time for
what the programs wait for."""
import os
import re
import shlex

import pytest

from fixtures.help_text import help_of, options_of_help
from fixtures.paths import TOP

# How long a worker waits for its jobs, in seconds (worker/supervisor.c).
WORKER_WAITS = 700


def read(path):
    with open(os.path.join(TOP, "deploy", path), encoding="ascii") as file:
        return file.read()


def balancer_waits():
    """How long a balancer waits for its jobs, in seconds."""
    return int(re.search(r"--drain-ms N .*\n?.*\(default (\d+)\)", help_of("pe-lb"))[1]) / 1000


@pytest.mark.parametrize(
    "program, path, key",
    [
        ("pe-lb", "podman/pe-lb.container", "Exec"),
        ("pe-worker", "podman/pe-worker.container", "Exec"),
        ("pe-lb", "systemd/pe-lb.service", "ExecStart"),
        ("pe-worker", "systemd/pe-worker.service", "ExecStart"),
    ],
)
def test_command_lines_have_only_options_that_the_program_knows(program, path, key):
    text = read(path).replace("\\\n", " ")
    words = shlex.split(re.search(rf"^{key}=(.*)$", text, re.M)[1])
    known = {f"--{name}": argument for _, name, argument in options_of_help(program)}
    options = [word for word in words if word.startswith("--")]
    assert options and set(options) <= set(known)
    for option in options:
        value = words[words.index(option) + 1 :][:1]
        has_value = bool(value) and not value[0].startswith(("--", "$PE_"))
        assert has_value == bool(known[option]), option


@pytest.mark.parametrize("program, waits", [("pe-lb", balancer_waits), ("pe-worker", lambda: WORKER_WAITS)])
def test_services_have_time_to_finish_their_jobs(program, waits):
    container, unit = read(f"podman/{program}.container"), read(f"systemd/{program}.service")
    podman = int(re.search(r"^PodmanArgs=--stop-timeout=(\d+)$", container, re.M)[1])
    assert podman > waits()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", container, re.M)[1]) > podman
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) > waits()


def test_secrets_of_containers_can_be_read_by_nobody_else():
    for program in "pe-lb", "pe-worker":
        text = read(f"podman/{program}.container")
        mode = re.search(r"--secret=program-explorer-token,type=mount,target=token,.*mode=(\d+)", text)[1]
        assert int(mode, 8) & 0o077 == 0
        assert "--token-file /run/secrets/token " in text
