# SPDX-License-Identifier: Apache-2.0
"""Result files of the programs in bench/ beside pe-bench."""
import glob
import json
import os
import subprocess

import pytest

from fixtures.paths import TOP
from fixtures.pe_bench import pe_bench, series_of
from pe_bench import doc_tables, standalone


def programs():
    """The names of the programs in bench/ that are written in Python."""
    for path in sorted(filter(os.path.isfile, glob.glob(f"{TOP}/bench/*"))):
        with open(path, encoding="utf-8") as file:
            if "python" in file.readline():
                yield os.path.basename(path)


@pytest.mark.parametrize("name", programs())
def test_each_program_finds_what_it_is_made_of_and_explains_itself(name):
    done = subprocess.run([f"{TOP}/bench/{name}", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout


def test_the_output_of_a_program_may_stand_anywhere_among_its_arguments():
    assert standalone.take_output(["--output", "f.json", "7"]) == ("f.json", ["7"])
    assert standalone.take_output(["7", "--output", "f.json"]) == ("f.json", ["7"])
    assert standalone.take_output(["7"]) == (None, ["7"])
    with pytest.raises(SystemExit, match="--output needs the name of a file"):
        standalone.take_output(["7", "--output"])


def test_the_result_of_a_program_can_be_shown_and_names_its_command(tmp_path):
    path = str(tmp_path / "idle.json")
    result = standalone.Result("bench/idle", ["50", "--output", path])
    for value in 15, 16, 17:
        result.add("PSS of an idle VM", "MB", value, engine="uml")
    result.write(path)
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    assert series_of(data, "PSS of an idle VM", engine="uml")["samples"] == [15, 16, 17]
    assert doc_tables.command_of(data) == "bench/idle 50"
    shown, _ = pe_bench("show", path)
    assert "PSS of an idle VM [MB]" in shown and "16.0" in shown


def test_a_program_without_an_output_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    standalone.Result("bench/idle", []).write(None)
    assert not list(tmp_path.iterdir())
