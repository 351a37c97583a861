# SPDX-License-Identifier: Apache-2.0
"""The programs that misbehave (tests/e2e), with VMs of User Mode Linux."""
from e2e.test_hostile import *  # noqa: F403

# It fills its memory with zeroes. Our kernel gives pages of zeroes back when memory gets scarce
# (initramfs/patches/0001), so this program ends when its address space is larger than the VM.
del test_a_program_that_exhausts_memory_is_reported_as_oom  # noqa: F821


def test_a_program_that_fills_its_memory_is_reported_as_oom(small_service):
    job = small_service.run("""echo start; exec awk 'BEGIN { x = "x"; while (1) x = x x }'""")
    assert job.status == "oom", job.fields
    assert job.stdout == b"start\n", job.fields
    small_service.assert_nothing_is_left()
