# SPDX-License-Identifier: Apache-2.0
"""Hosts on which User Mode Linux cannot run: the worker finds out at once, and says why."""
import subprocess
import sys

from fixtures import without_ptrace
from fixtures.paths import program
from fixtures.waiting import PATIENCE


def refusal(tmp_path, *options, wrapper=()):
    """What a worker says that has to use User Mode Linux, and ends."""
    argv = [*wrapper, program("pe-worker"), "--server", "http://127.0.0.1:9", "--vmm", "uml"]
    argv += ["--state", str(tmp_path / "state"), "--run-dir", str(tmp_path / "run"), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    return done.stderr


def test_a_host_that_forbids_ptrace_is_named_as_the_reason(tmp_path):
    wrapper = (sys.executable, without_ptrace.__file__)
    said = refusal(tmp_path, wrapper=wrapper)
    assert "not uml+boot: ptrace(2) is not allowed here: Operation not permitted" in said


def test_a_kernel_without_our_patches_is_named_with_the_way_to_compile_one(tmp_path):
    kernel = tmp_path / "linux"
    kernel.write_text("#!/bin/sh\n[ $1 = --version ] && echo 6.12.94 || printf '%s\\n' --help initrd=...\n")
    kernel.chmod(0o755)
    said = refusal(tmp_path, "--uml-kernel", str(kernel))
    assert f"not uml+boot: the User Mode Linux kernel {kernel} (6.12.94) is too old" in said
    assert "`make uml-kernel` compiles one" in said


def test_a_kernel_that_is_missing_is_named_with_the_way_to_compile_it(tmp_path):
    said = refusal(tmp_path, "--uml-kernel", "/none/linux")
    assert "not uml+boot: User Mode Linux needs a kernel, which `make uml-kernel` compiles" in said
    assert "/none/linux" in said
