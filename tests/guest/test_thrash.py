# SPDX-License-Identifier: Apache-2.0
"""A job whose memory is nearly full reads its own code, and other files, again and again. The kernel does not
call that out of memory. The programs are behaviours of tests/guest/hostile.c."""
import os

import pytest

from fixtures.stages import plan, read
from fixtures.vm import MIB

pytestmark = pytest.mark.each_engine

LARGE = os.urandom(24 * MIB)
THRASH = ["/input/hostile", "thrash"]


def run(guest, command, **options):
    files = {"hostile": guest.hostile_program, "large": LARGE}
    with guest.boot() as vm:
        return vm.run(command, files=files, timeout_ms=600000, **options)


def test_a_program_that_thrashes_has_reached_its_limit_of_memory(guest):
    result = run(guest, THRASH, memory_mib=64)
    assert result.status == "oom" and result.signal == 9, result


def test_a_stage_that_thrashes_has_reached_its_limit_of_memory(guest):
    result = run(guest, plan((THRASH, {"memory": 64 * MIB})), memory_mib=256)
    assert result.status == "exited", result
    ends = [(stage[3]["end"], int(stage[3]["oom_kills"]) > 0) for stage in read(result.stdout)]
    assert ends == [("signaled", True)], result


def test_a_program_that_has_some_page_cache_may_read_as_much_as_it_likes(guest):
    """The file is larger than the memory that is left for it, so it is read again all the time."""
    result = run(guest, ["/input/hostile", "read-for-10-seconds"], memory_mib=20)
    assert result.status == "exited" and result.exit_code == 0, result
