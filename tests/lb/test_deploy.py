# SPDX-License-Identifier: Apache-2.0
"""What deploy/ contains is understood by systemd and by the programs."""
import os
import re
import shutil
import subprocess

from fixtures.paths import BUILD, TOP


UNITS = os.path.join(TOP, "deploy", "systemd")


def test_systemd_accepts_the_units(tmp_path):
    names = sorted(name for name in os.listdir(UNITS) if name.endswith((".service", ".socket")))
    assert names == ["pe-lb.service", "pe-lb.socket", "pe-worker.service"]
    for name in names:
        with open(os.path.join(UNITS, name)) as source, open(
            os.path.join(tmp_path, name), "w"
        ) as copy:
            copy.write(
                source.read().replace(
                    "/usr/bin/pe-", os.path.join(os.path.join(BUILD, "bin"), "pe-")
                )
            )
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            *(os.path.join(tmp_path, name) for name in names),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout == ""


def test_every_option_that_a_unit_or_the_operations_page_names_is_one_of_the_programs():
    texts = []
    for name in (
        "deploy/systemd/pe-lb.service",
        "deploy/systemd/pe-worker.service",
        "docs/operations.md",
    ):
        with open(os.path.join(TOP, name)) as file:
            texts.append(file.read())
    known = set()
    for program, *command in ["pe-lb"], ["pe-lb", "token", "new"], ["pe-lb", "key", "new"], ["pe-worker"]:
        path = shutil.which(program, path=os.path.join(BUILD, "bin"))
        text = subprocess.check_output([path, *command, "--help"], text=True)
        known |= set(re.findall(r"--[a-z][a-z0-9-]+", text))
    for text in texts:
        for line in text.splitlines():
            if "pe-lb" in line or "pe-worker" in line or "OPTIONS" in line:
                for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", line):
                    assert option in known | {"--reload", "--now"}, f"{option} in: {line}"
