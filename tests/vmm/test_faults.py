# SPDX-License-Identifier: Apache-2.0
"""Faults of cloud-hypervisor, played by the stand-in. Each becomes an error that names it, and
leaves nothing behind."""
import os
import socket
import subprocess

import pytest

from fixtures.vmm import assert_nothing_left, owner_of_a_vm, processes_of


def fault(vmm, command, what, wanted, **env):
    said = vmm.walk(command, "cloud-hypervisor", vmm.standin, STANDIN_FAULT=what, **env)
    assert said.startswith("error: "), said
    for words in wanted if isinstance(wanted, tuple) else (wanted,):
        assert words in said


def test_an_api_socket_that_never_appears_is_an_error(vmm):
    fault(vmm, "boot", "never:start", "did not open its API socket")


def test_a_vmm_that_dies_at_its_start_is_an_error_with_its_last_output(vmm):
    fault(
        vmm,
        "boot",
        "die:start",
        ("ended when it was started", "Failed to start the VMM thread: a fault that was asked for"),
    )


def test_a_refused_call_while_a_vm_boots_is_an_error_with_cloud_hypervisors_message(vmm):
    for call in ("vm.create", "vm.boot"):
        fault(
            vmm,
            "boot",
            f"500:{call}",
            f"refuses {call} with 500: Error from API: a fault that was asked for",
        )


def test_a_refused_call_while_a_vm_is_saved_or_cloned_is_an_error_with_its_message(vmm):
    for call in ("vm.pause", "vm.snapshot", "vm.restore", "vm.resume"):
        fault(
            vmm,
            "clone",
            f"500:{call}",
            f"refuses {call} with 500: Error from API: a fault that was asked for",
        )


def test_half_an_answer_is_an_error(vmm):
    fault(vmm, "boot", "half:vm.boot", "cannot read the answer of cloud-hypervisor to vm.boot: ")
    fault(vmm, "clone", "half:vm.pause", "cannot read the answer of cloud-hypervisor to vm.pause: ")


def test_an_endless_answer_is_an_error(vmm):
    fault(vmm, "clone", "endless:vm.pause", "to vm.pause is too long")


def test_a_vmm_that_dies_during_a_call_while_a_vm_boots_is_an_error_that_names_the_call(vmm):
    for call in ("vm.create", "vm.boot"):
        for when in ("before", "after"):
            fault(vmm, "boot", f"{when}:{call}", f"ended during {call}")


def test_a_vmm_that_dies_while_a_vm_is_saved_or_cloned_is_an_error_that_names_the_call(vmm):
    for call in ("vm.snapshot", "vm.restore", "vm.resume"):
        for when in ("before", "after"):
            fault(vmm, "clone", f"{when}:{call}", f"ended during {call}")


def test_a_call_that_is_never_answered_is_an_error_after_its_timeout(vmm):
    fault(vmm, "boot", "hang:vm.boot", "did not answer vm.boot")
    fault(vmm, "clone", "hang:vm.restore", "did not answer vm.restore")


def test_a_vm_dies_with_its_killed_owner_and_the_next_start_removes_its_folder(vmm):
    run_dir = vmm.run_dir()
    command = vmm.command("hold", "cloud-hypervisor", run_dir)
    with owner_of_a_vm(command, WALK_VMM_PATHS=":".join(vmm.standin_paths())):
        assert len(processes_of(run_dir)) > 1 and len(os.listdir(run_dir)) == 1
    subprocess.run(
        vmm.command("jail", "cloud-hypervisor", run_dir), check=True, stdout=subprocess.DEVNULL
    )
    assert_nothing_left(run_dir)


def test_a_release_that_cannot_keep_guests_from_running_vms_is_refused(vmm):
    def version(number):
        return vmm.walk("version", "cloud-hypervisor", vmm.standin, STANDIN_VERSION=number)

    assert "cloud-hypervisor v51.2 is too old" in version("51.2")
    assert "v52 is needed" in version("51.2")
    assert "v53 is denser" in version("52.0")
    assert version("53.0") == "53.0"


def test_the_oldest_release_that_is_accepted_boots_and_clones(vmm):
    assert vmm.walk("clone", "cloud-hypervisor", vmm.standin, STANDIN_VERSION="52.0") == "ready"


def test_a_vmm_cannot_write_outside_its_folder_even_if_its_user_may(vmm):
    target = os.path.join(vmm.folder, "target")
    with open(target, "wb"):
        os.chmod(target, 0o666)
    said = vmm.walk(
        "boot", "cloud-hypervisor", vmm.standin, STANDIN_FAULT="write:start", STANDIN_TARGET=target
    )
    assert "Error: " in said and target in said
    assert os.path.getsize(target) == 0


def test_what_a_vmm_puts_in_its_folder_is_no_way_to_other_files_and_sockets(vmm):
    secret, listener = os.path.join(vmm.folder, "secret"), os.path.join(vmm.folder, "other.sock")
    with open(secret, "w", encoding="utf-8") as file:
        file.write('{"only": "the owner may read this"}')
    os.chmod(secret, 0o600)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(listener)
        other.listen()
        other.setblocking(False)
        for call, name, target in (
            ("vm.snapshot", "config.json", secret),
            ("vm.snapshot", "state.json", secret),
            ("vm.snapshot", "memory", secret),
            ("vm.create", "serial.sock", listener),
            ("vm.boot", "api.sock", listener),
        ):
            kind = "socket" if target == listener else "file"
            said = f"{name} in the folder of a VM is not a {kind} of its own"
            trap = {"STANDIN_NAME": name, "STANDIN_TARGET": target}
            fault(vmm, "clone", f"link:{call}", ("error: ", said), **trap)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_missing_or_different_program_is_not_accepted_as_cloud_hypervisor(vmm):
    assert "there is no /nonexistent" in vmm.walk("version", "cloud-hypervisor", "/nonexistent")
    assert "/bin/true --version" in vmm.walk("version", "cloud-hypervisor", "/bin/true")
