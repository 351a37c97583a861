# SPDX-License-Identifier: Apache-2.0
"""The project installs its packages, builds, and works on Debian 13.

Everything runs in a chroot below build/debian13, which is made when the lists of packages in the
Makefile have changed. Only root can do this."""
import re

import pytest

from fixtures import engine
from fixtures.debian_chroot import Chroot, package_lists


@pytest.fixture(scope="session")
def debian():
    system = Chroot("debian13", "trixie", "\n".join(package_lists()))
    if not system.is_current():
        system.make()
        system.run("apt-get update -q && apt-get install -qy --no-install-recommends make")
    system.copy_tree()
    return system


def test_the_packages_that_make_run_installs_are_enough_to_build_programs_and_guest(debian):
    """What only tests need is not there yet, if the system is a new one."""
    debian.run("make all guest")


def test_make_deps_takes_only_libh2o_from_debian_12(debian):
    debian.run("make deps test-deps")
    assert debian.installed_from("bookworm") == {
        "libh2o-dev-common",
        "libh2o-evloop-dev",
        "libh2o-evloop0.13",
    }


def test_make_deps_changes_nothing_the_second_time(debian):
    debian.run("rm -f build/.deps build/.test-deps")
    assert debian.run("make -s deps test-deps") == ""


def test_the_programs_build_without_a_warning(debian):
    assert "warning" not in debian.run("make all")


def test_the_unit_tests_pass(debian):
    assert debian.run("make unit").rstrip().endswith(" passed, 0 failed")


def test_the_tests_of_the_balancer_pass(debian):
    assert debian.run("make test-lb").rstrip().endswith(" passed, 0 failed")


# On a machine that has it, the worker would use KVM.
HIDE_KVM = "if [ -e /dev/kvm ]; then mount --bind /dev/null /dev/kvm; fi"


def test_make_run_without_the_kernel_of_user_mode_linux_ends_with_this_engine(debian):
    said = debian.run(f"{HIDE_KVM}; rm -rf build/guest/uml; make run IMAGES=gcc:14")
    assert said.count("Hello from gcc 14") == 2, "under emulation, and after the kernel was compiled"
    assert re.search(r"^make run: the engine is now uml\+boot: the example took", said, re.M)


def test_a_second_make_run_only_runs_the_example(debian):
    said = debian.run(f"{HIDE_KVM}; make run IMAGES=gcc:14")
    assert said.count("Hello from gcc 14") == 1 and "make run:" not in said


def test_the_user_mode_linux_kernel_compiles(debian):
    assert re.search(r"uml kernel: (linux: \d+ bytes|nothing changed)", debian.run("make uml-kernel"))


@pytest.mark.parametrize("name", engine.SOFTWARE)
def test_gcc_runs_in_a_vm_of_each_engine(debian, name):
    debian.run("make images IMAGES='busybox:1.35 gcc:14'")
    test = "PE_TEST=gcc_14 /usr/bin/python3 -B -m pytest -c tests/pytest.ini tests/e2e/test_jobs.py"
    assert re.search(r"\b1 passed", debian.run(f"PE_ENGINE={name} {test}"))
