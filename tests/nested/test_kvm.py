# SPDX-License-Identifier: Apache-2.0
"""The worker on a real /dev/kvm, in outer VMs whose CPU QEMU emulates with AMD's SVM.

PE_CLOUD_HYPERVISOR may name a static cloud-hypervisor that is to be used in there."""
import os
import sys

import pytest

from fixtures.outer_vm import MACHINE, OuterVm
from fixtures.paths import BUILD

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import outer  # noqa: E402
import scenarios  # noqa: E402

DRIVES = (f"{MACHINE}/machine.squashfs", f"{BUILD}/nested/project.squashfs")
LANES = {}
for _name, _function in vars(scenarios).items():
    if getattr(_function, "__module__", "") == scenarios.__name__ and not isinstance(
        _function, type
    ):
        LANES.setdefault(outer.lane_of(_function), []).append(_name)
for _lane, _names in LANES.items():
    _names.append(f"nothing_is_left_by_the_workers_of_lane_{_lane}")
LANE_OF = {name: lane for lane, names in LANES.items() for name in names}


@pytest.fixture(scope="module")
def outer_vms(request, no_process_is_left):
    """An outer VM for each lane, which runs the scenarios of the chosen tests; lane -> VM."""
    items = [item for item in request.session.items if item.module is request.module]
    chosen = {item.callspec.params["scenario"] for item in items}
    drives = [*DRIVES, *filter(None, [os.environ.get("PE_CLOUD_HYPERVISOR")])]
    vms = {}
    try:
        for lane, names in LANES.items():
            wanted = [name for name in names if name in chosen]
            if wanted:
                vms[lane] = OuterVm(drives, f"pe.scenarios={','.join(wanted)}")
        yield vms
    finally:
        for vm in vms.values():
            vm.end()


@pytest.mark.parametrize("scenario", LANE_OF)
def test_with_a_real_kvm(outer_vms, scenario):
    outer_vms[LANE_OF[scenario]].assert_passed(scenario)
