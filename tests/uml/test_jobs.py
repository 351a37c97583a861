# SPDX-License-Identifier: Apache-2.0
"""What only jobs under User Mode Linux have. All other suites run with it as well."""
import os

from fixtures.paths import UML_KERNEL


def test_a_worker_says_that_it_uses_user_mode_linux(service):
    assert "uml+boot (asked for)" in service.worker.log()


def test_the_guests_kernel_is_the_one_that_was_compiled(service):
    release = service.run("uname -r").stdout.decode().strip()
    with open(os.path.join(os.path.dirname(UML_KERNEL), "VERSION"), encoding="ascii") as file:
        assert f"release={release}\n" in file.read()
