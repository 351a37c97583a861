# SPDX-License-Identifier: Apache-2.0
"""The temporary files of a run: they go with it, and after SIGKILL the next run removes them."""
import os
import subprocess
import sys
import tempfile

import pytest

from fixtures import processes
from fixtures.paths import TOP
from fixtures.waiting import eventually
from pe_bench import temporary

# A run that has started a program, and mounted something in its folder and in that.
RUN = """
import os, subprocess, sys, time
sys.path[:0] = sys.argv[1:3]
from pe_bench import temporary
folder = temporary.make_folder()
for inner in "disk", "disk/disk":
    os.mkdir(f"{folder}/{inner}")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{folder}/{inner}"], check=True)
open(f"{folder}/disk/file", "w").close()
program = subprocess.Popen(["sleep", "1000"])
print(folder, program.pid, flush=True)
time.sleep(1000)
"""


@pytest.fixture(name="place", autouse=True)
def fixture_place(tmp_path, monkeypatch):
    """Temporary folders are made in the folder of the test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture(name="running")
def fixture_running():
    """A run: its process, its folder and the program that it has started."""
    argv = [sys.executable, "-B", "-c", RUN, f"{TOP}/bench", f"{TOP}/tests"]
    run = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    folder, program = run.stdout.readline().split()
    yield run, folder, int(program)
    run.kill()
    processes.kill_hard(int(program))
    run.communicate()
    for point in reversed(temporary.mounts_below(folder)):
        subprocess.run(["umount", point], check=True)


def test_temporary_files_of_a_run_and_of_its_programs_go_with_it(place):
    folder = temporary.make_folder()
    own = tempfile.mkdtemp()
    of_a_program = subprocess.check_output(["mktemp", "-d"], text=True).strip()
    assert os.path.dirname(own) == os.path.dirname(of_a_program) == folder
    temporary.remove_folder(folder)
    assert os.listdir(place) == []


def test_a_temporary_folder_in_which_something_is_mounted_is_kept(place, monkeypatch, capsys):
    folder = place / "folder"
    (folder / "mounted").mkdir(parents=True)
    monkeypatch.setattr(temporary, "mounts_below", lambda _: [f"{folder}/mounted"])
    temporary.remove_folder(str(folder))
    assert folder.exists() and f"{folder}/mounted is mounted" in capsys.readouterr().err


def test_what_a_killed_run_has_left_is_removed_by_the_next_one(place, running, capsys):
    run, folder, program = running
    run.kill()
    run.wait()
    assert len(temporary.mounts_below(folder)) == 2 and processes.is_running(program)
    mine = temporary.make_folder()
    assert os.listdir(place) == [os.path.basename(mine)]
    assert temporary.mounts_below(folder) == []
    eventually(lambda: not processes.is_running(program), "the program of the killed run ends")
    assert f"removing {folder}, which a run that was killed has left" in capsys.readouterr().err


def test_what_an_interruption_leaves_mounted_is_unmounted_at_the_end(place):
    folder = temporary.make_folder()
    os.mkdir(f"{folder}/disk")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{folder}/disk"], check=True)
    temporary.unmount_below(folder)
    temporary.remove_folder(folder)
    assert os.listdir(place) == []


def test_what_a_run_uses_is_left_alone_by_others(place, running):
    _, folder, program = running
    mine = temporary.make_folder()
    assert sorted(os.listdir(place)) == sorted(map(os.path.basename, (folder, mine)))
    assert os.path.exists(f"{folder}/disk/file") and processes.is_running(program)


def test_a_folder_with_another_name_and_a_link_are_left_alone(place):
    (place / "pe-bench.other").mkdir()
    (place / "somebody").mkdir()
    (place / "pe-bench.aaaaaaaa").symlink_to(place / "somebody")
    mine = temporary.make_folder()
    names = {"pe-bench.other", "somebody", "pe-bench.aaaaaaaa", os.path.basename(mine)}
    assert set(os.listdir(place)) == names


def test_what_a_failed_run_leaves_is_kept_also_by_the_next_one(place, capsys):
    temporary.remove_if_empty(temporary.make_folder())
    assert os.listdir(place) == []
    tempfile.tempdir = str(place)
    full = temporary.make_folder()
    open(f"{full}/log", "w", encoding="ascii").close()
    temporary.remove_if_empty(full)
    kept = f"{place}/failed-{os.path.basename(full)}"
    assert f"what the run has left is in {kept}" in capsys.readouterr().err
    tempfile.tempdir = str(place)
    temporary.make_folder()
    assert os.path.exists(f"{kept}/log")
