# SPDX-License-Identifier: Apache-2.0
"""The check of tests that documents name finds what is not there, and accepts the tree as it is."""
import os
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def check(tmp_path):
    """Check a document in a tree that has a test in Python and one in C."""
    for path, text in {
        "tests/lb/test_jobs.py": "def helper():\n    pass\n\n\ndef test_jobs_run(service):\n    pass\n",
        "tests/unit/test_path.c": "static void held(void **state)\n{\n}\n\nstatic void unused(void)\n{\n}\n"
        "const struct CMUnitTest tests[] = {cmocka_unit_test(held)};\n",
    }.items():
        os.makedirs(tmp_path / os.path.dirname(path), exist_ok=True)
        (tmp_path / path).write_text(text)
    os.makedirs(tmp_path / "docs")

    def run(text):
        (tmp_path / "docs/page.md").write_text(text)
        command = [os.path.join(HERE, "named-tests"), str(tmp_path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        assert (done.returncode != 0) == bool(done.stdout)
        return done.stdout.splitlines()

    return run


def test_tests_and_files_and_folders_that_exist_are_accepted(check):
    text = "`tests/lb/test_jobs.py::test_jobs_run` `tests/unit/test_path.c::held` `tests/lb` `tests/unit/test_path.c`"
    assert check(text) == []


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("tests/lb/test_gone.py", "there is no tests/lb/test_gone.py"),
        ("tests/lb/test_gone.py::test_jobs_run", "there is no tests/lb/test_gone.py"),
        ("tests/lb/test_jobs.py::test_jobs", "tests/lb/test_jobs.py has no test test_jobs"),
        ("tests/lb/test_jobs.py::helper", "tests/lb/test_jobs.py has no test helper"),
        ("tests/unit/test_path.c::unused", "tests/unit/test_path.c has no test unused"),
        ("tests/lb::test_jobs_run", "tests/lb has no test test_jobs_run"),
    ],
)
def test_what_does_not_exist_is_named_with_its_line(check, name, wrong):
    assert check(f"words\n\nmore words `{name}`\n") == [f"docs/page.md:3: {wrong}"]


def test_a_row_of_a_table_of_tests_names_one_or_says_why_there_is_none(check):
    text = """\
| step | test |
| --- | --- |
| one | `tests/lb/test_jobs.py::test_jobs_run` |
| two | no test: it cannot be seen from outside |
| three | obvious |
| four | no test |

| test | name |
| --- | --- |
| this is | another table |
"""
    wrong = "the row names no test, and does not say 'no test: REASON'"
    assert check(text) == [f"docs/page.md:{line}: {wrong}" for line in (5, 6)]


def test_the_documents_of_the_project_name_only_tests_that_exist():
    done = subprocess.run([os.path.join(HERE, "named-tests")], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "")
