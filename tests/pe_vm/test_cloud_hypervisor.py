# SPDX-License-Identifier: Apache-2.0
"""VMs of cloud-hypervisor, in whose place is tests/standin: pe-vm sends what its API description allows."""
import pytest

from fixtures.pe_vm import VmPlace
from fixtures.vmm import VmmBench


@pytest.fixture(scope="module")
def place():
    bench = VmmBench()
    place = VmPlace(PE_VM_CLOUD_HYPERVISOR=bench.program, PE_VM_PATHS=":".join(bench.standin_paths()))
    yield place
    place.close()
    bench.close()


def test_a_vm_of_cloud_hypervisor_boots_and_obeys(place, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    place.boot("one", "--engine", "cloud-hypervisor", "--vsock", "5", "--disk", tmp_path / "disk")
    assert place.info("one")["running"]["vmm"] == "cloud-hypervisor"
    assert place.shell("one", "echo hello") == "hello\n"
    place.do("pause", "one")
    assert place.exec("one", "true", "--timeout", "1").status == 124
    place.do("resume", "one")
    assert place.shell("one", "echo goes on") == "goes on\n"
    assert "in its jail the host's paths do not exist" in place.refuse("add-disk", "one", tmp_path / "disk")
    assert "cannot take a device from" in place.refuse("remove", "one", "disk-0")
    assert "cannot give a VM of cloud-hypervisor a network device" in place.refuse("add-net", "one", "lab")
    assert "at most 256 MiB" in place.refuse("resize", "--memory", "512", "one")
    assert "has no network device" in place.refuse("fault", "--link-down", "--for", "1", "one")
    assert "cannot save a VM" in place.refuse("snapshot", "one", tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    place.do("delete", "one")


def test_a_vm_of_cloud_hypervisor_gets_no_network_device_when_it_boots(place):
    place.do("create", "--engine", "cloud-hypervisor", "--net", "lab", "netted")
    assert "cannot give a VM of cloud-hypervisor a network device" in place.refuse("boot", "netted")
    assert place.state("netted") == "stopped"
