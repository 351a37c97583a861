# SPDX-License-Identifier: Apache-2.0
"""The same walk through every VMM driver.

PE_CLOUD_HYPERVISOR names a real cloud-hypervisor, which needs KVM. Without it a stand-in is
used."""
import pytest

from fixtures.vmm import assert_all_ok


@pytest.mark.parametrize("driver", ["qemu", "cloud-hypervisor"])
def test_vms_boot_and_are_saved_and_cloned(vmm, driver):
    assert_all_ok(vmm.walk("walk", driver))


@pytest.mark.parametrize("driver", ["qemu", "cloud-hypervisor"])
def test_vms_that_are_not_killed_end_by_themselves(vmm, driver):
    assert_all_ok(vmm.walk("endings", driver))


def test_cloud_hypervisor_makes_what_is_called_for_and_refuses_what_does_not_fit(vmm):
    assert_all_ok(vmm.calls())
