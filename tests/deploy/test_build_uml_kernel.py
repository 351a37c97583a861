# SPDX-License-Identifier: Apache-2.0
"""initramfs/build-uml-kernel with stand-ins for apt: runs that meet, and runs that were interrupted. The suite
`debian13` compiles a kernel with it."""
import fcntl
import os
import signal
import subprocess

import pytest

from fixtures.paths import TOP
from fixtures.waiting import PATIENCE, eventually

APT_GET = """#!/bin/bash
[[ " $* " == *" download "* ]] || exit 0
echo "$PWD" >>{folder}/downloads
echo half >linux-source-7.3_$(cat {folder}/candidate)_all.deb
while [ -e {folder}/slow ]; do sleep 0.1; done
[ ! -e {folder}/offline ]
"""
APT_CACHE = """#!/bin/sh
case "$*" in
    *pkgnames*) echo linux-source-7.3 ;;
    *policy*) echo "  Candidate: $(cat {folder}/candidate)" ;;
esac
"""
DF = """#!/bin/sh
echo head; echo "/dev/x 1 1 $(cat {folder}/free) 1% /"
"""


class Builder:
    def __init__(self, folder):
        self.folder = folder
        for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE), ("df", DF)):
            (folder / name).write_text(text.format(folder=folder))
            (folder / name).chmod(0o755)
        (folder / "free").write_text("1000000")
        (folder / "candidate").write_text("7.3.4")
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    def start(self):
        command = ["initramfs/build-uml-kernel", str(self.folder / "out"), str(self.work)]
        return subprocess.Popen(
            command,
            cwd=TOP,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self):
        """The last line of the errors: the stand-ins have no kernel, so it fails in any case."""
        output, errors = self.start().communicate(timeout=PATIENCE)
        return output, errors.splitlines()[-1]

    def downloads(self):
        path = self.folder / "downloads"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path)


def test_a_run_waits_for_another_one_and_says_how_far_it_is(builder):
    (builder.work / "step").write_text("compiled 312 of about 930 files, about 2 min left\n")
    with open(builder.work / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = builder.start()
        said = process.stdout.readline()
        assert said == "uml kernel: compiled 312 of about 930 files, about 2 min left\n"
        assert builder.downloads() == []
    process.communicate(timeout=PATIENCE)
    assert len(builder.downloads()) == 1


def test_a_download_that_was_interrupted_is_continued(builder):
    (builder.folder / "slow").touch()
    process = builder.start()
    eventually(builder.downloads, "it downloads")
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    (builder.folder / "slow").unlink()
    assert "could not unpack" in builder.run()[1], "the stand-in is no package"
    assert builder.downloads() == [f"{builder.work}/apt/unfinished"] * 2
    builder.run()
    assert len(builder.downloads()) == 2, "a complete one is not downloaded again"


def test_a_newer_source_takes_the_place_of_the_one_before(builder):
    builder.run()
    (builder.folder / "candidate").write_text("7.3.5")
    assert "could not unpack" in builder.run()[1], "the stand-in is no package"
    assert len(builder.downloads()) == 2
    names = [path.name for path in (builder.work / "apt").glob("*.deb")]
    assert names == ["linux-source-7.3_7.3.5_all.deb"]


def test_without_a_network_it_says_that_it_could_not_download(builder):
    (builder.folder / "offline").touch()
    assert "could not download linux-source-7.3; all messages are in " in builder.run()[1]


def test_without_room_it_says_how_much_it_needs_before_it_downloads(builder):
    (builder.folder / "free").write_text("12")
    said = builder.run()[1]
    assert "MiB in " in said and ", and 12 are free" in said
    assert builder.downloads() == []
