# SPDX-License-Identifier: Apache-2.0
"""debian/: what is installed by hand is in a package, too. The suite `packages` builds them."""
import glob
import os
import re

from fixtures.installation import PROGRAMS
from fixtures.paths import TOP


def text_of(pattern):
    texts = []
    for path in glob.glob(os.path.join(TOP, pattern)):
        with open(path) as file:
            texts.append(file.read())
    return "".join(texts)


def test_every_program_is_in_one_package_with_its_page_and_completions():
    lines = text_of("debian/*.install").splitlines()
    assert sorted(line for line in lines if line.startswith("usr/bin/")) == sorted(
        f"usr/bin/{program}" for program in PROGRAMS
    )
    for program in PROGRAMS:
        assert sum(line.endswith((f"/{program}", f"/_{program}", f"/{program}.fish")) for line in lines) == 4, program
    pages = sorted(os.path.basename(line) for line in text_of("debian/*.manpages").splitlines())
    assert pages == sorted(os.listdir(os.path.join(TOP, "docs/man")))


def packages_of(name):
    """The Debian packages that a variable of the Makefile names."""
    return set(re.search(rf"^{name} :=((?:.*\\\n)*.*)", text_of("Makefile"), re.M)[1].replace("\\", "").split())


def build_depends():
    """The packages that every build of the packages needs; other lines have a profile."""
    source = text_of("debian/control").split("\n\n")[0]
    return set(re.findall(r"^ ([a-z0-9.+-]+),$", source, re.M))


def test_packages_build_with_the_libraries_that_the_makefile_installs():
    libraries = {name for name in packages_of("PACKAGES") if name.startswith("lib") and name.endswith("-dev")}
    assert libraries - {"libc6-dev"} <= build_depends()


def test_make_run_installs_what_packages_are_built_with():
    """A minimal system has none of it. What debhelper brings along is not needed by make."""
    needed = {name for name in build_depends() if not name.startswith("dh-")}
    assert needed <= packages_of("PACKAGES")


def test_units_wait_for_a_token():
    for unit in ("pe-lb.service", "pe-lb.socket", "pe-worker.service"):
        assert "\nConditionPathExists=/etc/program-explorer/token\n" in text_of(f"deploy/systemd/{unit}"), unit
