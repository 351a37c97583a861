# SPDX-License-Identifier: Apache-2.0
"""What tests/machines keeps of its VMs when one of its tests has failed."""
import os
import shutil

from fixtures.machines import Machines
from fixtures.pe_vm import VmPlace
from fixtures.waiting import eventually


def test_the_snapshot_console_and_log_of_a_vm_are_kept_and_the_snapshot_can_be_restored():
    machines = Machines.__new__(Machines)  # with one VM, which runs no service
    machines.workers = {}
    with VmPlace() as place:
        machines.place = place
        place.boot("balancer", "--engine", "qemu+tcg")
        place.shell("balancer", "mkdir -p /machine/run; echo said >/machine/run/log")
        folder = machines.keep()
        try:
            assert sorted(os.listdir(folder)) == ["balancer", "balancer.console", "balancer.log"]
            with open(f"{folder}/balancer.log", encoding="ascii") as log:
                assert log.read() == "said\n"
            with open(f"{folder}/balancer.console", encoding="utf-8") as console:
                assert "Linux version" in console.read()
            place.do("restore", "again", f"{folder}/balancer")
            eventually(lambda: place.info("again")["running"]["agent"], "the agent of the restored VM")
            assert place.shell("again", "cat /machine/run/log") == "said\n"
        finally:
            shutil.rmtree(folder)
