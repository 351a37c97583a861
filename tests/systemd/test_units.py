# SPDX-License-Identifier: Apache-2.0
"""The units of deploy/systemd under a real systemd.

They run in a VM with Debian 12, whose emulated CPU has AMD's SVM, so that the worker in it has a
real /dev/kvm. The scenarios of inside.py depend on each other and always run together."""
import importlib.util
import os

import pytest

from fixtures.outer_vm import OuterVm
from fixtures.paths import HOME

DRIVES = [os.path.join(HOME, "systemd", name) for name in ("machine.squashfs", "project.squashfs")]


def load_scenarios():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside.py")
    spec = importlib.util.spec_from_file_location("systemd_inside", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [function.__name__ for function in module.SCENARIOS]


@pytest.fixture(scope="module")
def vm(no_process_is_left):
    vm = OuterVm(DRIVES)
    yield vm
    vm.end()


@pytest.mark.parametrize("scenario", load_scenarios())
def test_under_systemd(vm, scenario):
    vm.assert_passed(scenario)
