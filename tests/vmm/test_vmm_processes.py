# SPDX-License-Identifier: Apache-2.0
"""The tests find the VMMs of a worker, and expect its engine, for the cloud-hypervisor that the caller named."""
import os
import shutil
import subprocess
import sys

import pytest

from fixtures import vmm_processes
from fixtures.paths import TOP
from fixtures.waiting import eventually


@pytest.fixture
def outer(monkeypatch):
    """tests/nested/outer.py, imported while no cloud-hypervisor is named, as in the outer VM."""
    monkeypatch.delenv("PE_CLOUD_HYPERVISOR", raising=False)
    monkeypatch.syspath_prepend(os.path.join(TOP, "tests/nested"))
    for name in ("outer", "scenarios"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import outer as module  # pylint: disable=import-outside-toplevel
    import scenarios  # noqa: F401  # pylint: disable=import-outside-toplevel,unused-import

    return module


@pytest.fixture
def vmm_with_another_name(tmp_path):
    """A process below this one whose program has a name of its own."""
    program = tmp_path / "ch-static-v53.0-x86"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "600"]) as process:
        yield process.pid, str(program)
        process.kill()


def test_a_binary_that_is_named_after_the_import_is_used(outer, monkeypatch):
    assert outer.best_engine() == "qemu+kvm+snapshot"
    monkeypatch.setenv("PE_CLOUD_HYPERVISOR", "/anywhere/ch")
    assert outer.best_engine() == "cloud-hypervisor+kvm+snapshot"
    assert outer.real_cloud_hypervisor() == "/anywhere/ch"


def test_a_vmm_is_found_by_the_name_of_the_binary_that_the_caller_named(
    vmm_with_another_name, monkeypatch
):
    pid, program = vmm_with_another_name
    monkeypatch.delenv("PE_CLOUD_HYPERVISOR", raising=False)
    assert pid not in vmm_processes.below(os.getpid())
    monkeypatch.setenv("PE_CLOUD_HYPERVISOR", program)
    eventually(
        lambda: pid in vmm_processes.below(os.getpid()), "the process has executed its program"
    )


def test_a_vmm_is_found_by_the_name_in_the_options_of_its_worker(
    vmm_with_another_name, monkeypatch
):
    pid, program = vmm_with_another_name
    monkeypatch.delenv("PE_CLOUD_HYPERVISOR", raising=False)
    options = ["--slots", "1", "--cloud-hypervisor", program]
    eventually(lambda: pid in vmm_processes.below(os.getpid(), options), "it is found")
