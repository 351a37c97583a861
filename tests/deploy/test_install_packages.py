# SPDX-License-Identifier: Apache-2.0
"""deploy/install-packages with stand-ins for dpkg and apt: what it asks for, and what it says meanwhile. The
suite `debian13` installs real packages with it."""
import os
import subprocess

import pytest

from fixtures.paths import TOP
from fixtures.terminal import Terminal

STAND_INS = {
    "id": "echo 0",
    "dpkg-query": '[ "${@: -1}" != there ] || echo "install ok installed"',
    # apt writes its progress for programs to the descriptor that it is told.
    "apt-get": """\
keep_working() {
    trap '' INT
    while [ -e {folder}/begun ]; do
        sleep 0.1
        echo "pmstatus:missing:60.5:Configuring missing (amd64)" >&$status
    done
}
echo "$*" >>{folder}/calls
status=${2#APT::Status-Fd=}
case "$*" in
*install*)
    [ ! -e {folder}/slow ] || sleep 1.1
    echo "pmstatus:missing:48.4:Unpacking missing (amd64)" >&$status
    [ ! -e {folder}/begun ] || keep_working
    echo "E: no space left"
    [ ! -e {folder}/broken ] ;;
esac""",
}


@pytest.fixture
def machine(tmp_path):
    for name, text in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text.replace('{folder}', str(tmp_path))}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def path_with(machine):
    return f"{machine}:{os.environ['PATH']}"


def install(machine, *packages):
    return subprocess.run(
        [f"{TOP}/deploy/install-packages", *packages],
        env={**os.environ, "PATH": path_with(machine)},
        capture_output=True,
        text=True,
    )


def test_packages_that_are_there_cost_nothing(machine):
    done = install(machine, "there")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (machine / "calls").exists()


def test_only_missing_packages_are_installed(machine):
    done = install(machine, "there", "missing")
    assert (done.returncode, done.stdout) == (0, "installing 1 packages with apt: missing\n")
    update, install_call = (machine / "calls").read_text().splitlines()
    assert update.endswith(" update") and install_call.endswith(" --no-install-recommends missing")


def test_what_apt_said_is_shown_if_it_fails(machine):
    (machine / "broken").touch()
    done = install(machine, "missing")
    assert done.returncode == 1
    assert done.stderr.endswith("E: no space left\napt could not install: missing\n")


def test_a_terminal_shows_how_far_apt_is(machine):
    (machine / "slow").touch()
    terminal = Terminal("missing", program=f"{TOP}/deploy/install-packages", PATH=path_with(machine))
    terminal.until(rb"\r\x1b\[K  apt: 48%, Unpacking missing \(amd64\)")
    assert terminal.end() == 0
    assert terminal.seen.endswith(b"\r\x1b[K"), "the line is gone at the end"


def test_after_ctrl_c_it_stays_until_apt_has_completed_what_it_has_begun(machine):
    (machine / "slow").touch()
    (machine / "begun").touch()
    terminal = Terminal("missing", program=f"{TOP}/deploy/install-packages", PATH=path_with(machine))
    terminal.until(rb"apt: 60%, Configuring missing")
    os.write(terminal.fd, b"\x03")
    terminal.until(rb"apt: 60%; stopping after what has begun, Configuring missing")
    (machine / "begun").unlink()
    assert terminal.end() == 130
