# SPDX-License-Identifier: Apache-2.0
"""The check for circles of calls finds one, and accepts calls in one direction."""
import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOW = "int low(int n) { return n; }\n"
LOW_THAT_CALLS_UP = "int high(int n);\nint low(int n) { return n ? high(n - 1) : 0; }\n"
HIGH = "int low(int n);\nint high(int n) { return low(n); }\n"


@pytest.fixture
def check(tmp_path):
    def compile_and_check(sources):
        for path, text in sources.items():
            os.makedirs(tmp_path / os.path.dirname(path), exist_ok=True)
            os.makedirs(tmp_path / "obj" / os.path.dirname(path), exist_ok=True)
            (tmp_path / path).write_text(text)
            subprocess.run(
                ["gcc", "-c", "-o", f"obj/{path[:-2]}.o", path], cwd=tmp_path, check=True
            )
        process = subprocess.run(
            [os.path.join(TOP, "tests/lint/circles"), "obj"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        return process.returncode, process.stdout

    return compile_and_check


def test_calls_in_one_direction_are_no_circle(check):
    assert check({"a/low.c": LOW, "b/high.c": HIGH}) == (0, "")


def test_a_circle_is_named_with_its_files(check):
    status, output = check({"a/low.c": LOW_THAT_CALLS_UP, "b/high.c": HIGH})
    assert status == 1
    assert output.splitlines() == [
        "2 files call each other in a circle:",
        "  a/low.c uses b/high.c",
        "  b/high.c uses a/low.c",
    ]


def test_programs_may_have_functions_of_the_same_name(check):
    assert check(
        {
            "a/low.c": LOW,
            "a/high.c": HIGH,
            "b/low.c": LOW_THAT_CALLS_UP.replace("high", "other"),
            "b/other.c": "int other(int n) { return n; }\n",
        }
    ) == (0, "")
