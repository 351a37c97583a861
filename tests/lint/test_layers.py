# SPDX-License-Identifier: Apache-2.0
"""The check of the layers finds a forbidden include, and accepts the tree as it is."""
import os
import shutil
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def tree(tmp_path):
    """A scratch copy of the files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h", "layers.txt"],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    for path in filter(None, listed):
        if os.path.exists(os.path.join(TOP, path)):
            os.makedirs(tmp_path / os.path.dirname(path), exist_ok=True)
            shutil.copy(os.path.join(TOP, path), tmp_path / path)
    return tmp_path


def check(tree):
    process = subprocess.run(
        [os.path.join(TOP, "tests/lint/layers"), str(tree)], capture_output=True, text=True
    )
    return process.returncode, process.stdout + process.stderr


def add_include(tree, path, include):
    """Appends an include line to a file; returns the number of that line."""
    with open(tree / path, "a+") as file:
        file.write(f"#include {include}\n")
        file.seek(0)
        return len(file.readlines())


def test_the_tree_keeps_to_its_layers(tree):
    assert check(tree) == (0, "")


@pytest.mark.parametrize(
    "path, include, reason",
    [
        ("base/io.c", '"proto/slot.h"', "base may not use proto"),
        ("codec/flat.h", '"proto/job_spec.h"', "codec may not use proto"),
        ("lb/core/cache.c", '"lb/edge/connection.h"', "lb/core may not use lb/edge"),
        ("lb/edge/cors.h", '"lb/server.h"', "lb/edge may not use lb"),
        ("worker/vmm/vmm.c", '"worker/job/machine.h"', "worker/vmm may not use worker"),
        ("cli/main.c", '"worker/config.h"', "cli may not use worker"),
        ("lb/core/cache.c", "<h2o.h>", "lb/core may not use <h2o.h>"),
        ("cli/main.c", '"http.h"', '"http.h" is in no folder that layers.txt names'),
    ],
)
def test_an_include_that_is_not_allowed_is_named_with_its_line(tree, path, include, reason):
    line = add_include(tree, path, include)
    status, output = check(tree)
    assert status == 1
    assert f"{path}:{line}: {reason}" in output


def test_a_folder_without_a_rule_is_named(tree):
    (tree / "extra").mkdir()
    (tree / "extra/file.c").write_text("int extra;\n")
    status, output = check(tree)
    assert status == 1
    assert "extra/file.c:1: extra has no line in layers.txt" in output


def test_rules_that_make_a_circle_are_refused(tree):
    rules = (tree / "layers.txt").read_text()
    (tree / "layers.txt").write_text(
        rules.replace("codec:       base\n", "codec:       base store\n")
    )
    status, output = check(tree)
    assert status == 1
    assert "codec uses store, which does not stand above it" in output
