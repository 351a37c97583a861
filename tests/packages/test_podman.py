# SPDX-License-Identifier: Apache-2.0
"""deploy/podman: podman's generator of Debian 13 makes systemd units of the quadlets, which systemd accepts."""
import os
import shutil

import pytest

from fixtures.debian_chroot import INSTALL, Chroot
from fixtures.paths import TOP

QUADLETS = os.path.join(TOP, "deploy/podman")
GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"


@pytest.fixture(scope="module")
def debian():
    system = Chroot("packages/podman", "trixie")
    if not system.is_current():
        system.make()
        system.run(f"apt-get update -q && {INSTALL} podman systemd")
    target = os.path.join(system.root, "src/quadlets")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(QUADLETS, target)
    return system


def test_the_generator_makes_a_service_of_each_quadlet(debian):
    printed = debian.run(f"QUADLET_UNIT_DIRS=/src/quadlets {GENERATOR} --dryrun")
    for name in os.listdir(QUADLETS):
        stem, kind = name.split(".")
        assert f"---{stem}{'-volume' if kind == 'volume' else ''}.service---" in printed
    for part in ("--secret=program-explorer-token,", "--stop-timeout=215", "localhost/program-explorer-worker"):
        assert part in printed


def test_systemd_accepts_the_services(debian):
    debian.run(
        f"mkdir -p /src/units && QUADLET_UNIT_DIRS=/src/quadlets {GENERATOR} /src/units /src/units /src/units && "
        "systemd-analyze verify --man=no /src/units/*.service"
    )


def test_an_unknown_key_is_found(debian):
    debian.run("mkdir -p /src/wrong && sed 's/^ReadOnly=/ReadOnlie=/' quadlets/pe-lb.container >wrong/pe-lb.container")
    debian.run(f"QUADLET_UNIT_DIRS=/src/wrong {GENERATOR} --dryrun 2>&1 | grep 'unsupported key .ReadOnlie.'")
