# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends compare and isolation: nothing is left of them, and --resume goes on."""
import pytest

from fixtures.whole_run import whole_run

COMMANDS = {
    "compare": ("compare", "--quick", "--job", "gcc --version"),
    "isolation": ("isolation", "--quick", "--work", "25000", "--work", "rndrw"),
}
MOMENTS = {  # what has to be true of a run when it is interrupted
    "while VMs are tried": lambda run: run.runs("pe-vm"),
    "in the second step": lambda run: run.has_done(1),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupted_run_leaves_nothing_and_goes_on(no_process_is_left, command, moment):
    with whole_run(*COMMANDS[command], "--seed", "1", interrupt=MOMENTS[moment]) as run:
        assert run.left_by_interruption == []
        assert run.data["state"] == "complete" and len(run.data["steps"]) == 2
        ways = {one["labels"]["way"] for one in run.data["series"] if one["samples"]}
        assert {"native", "crun", "podman"} < ways
        assert not any(one.get("partial") or one["failures"] for one in run.data["series"])
        assert run.left() == []
