# SPDX-License-Identifier: Apache-2.0
"""Times and memory of a program, and of the stages of a job, against programs that hide what they use."""
import pytest

from fixtures.stages import plan, read
from fixtures.vm import MIB

pytestmark = pytest.mark.each_engine

# Behaviours of tests/guest/hostile.c
USE = ["./hostile", "use-memory"]  # 60 MB
USE_UNWAITED = ["./hostile", "use-in-unwaited-child"]  # 60 MB, and a second of CPU time


def stages(guest, *wanted, **job):
    """The ends of the stages of a job, and what they printed."""
    with guest.boot() as vm:
        result = vm.run(plan(*wanted), files={"hostile": guest.hostile_program}, **job)
    assert result.status == "exited", result
    return read(result.stdout)


def test_the_usage_of_a_process_that_nobody_waits_for_counts(guest):
    result = guest.hostile("use-in-unwaited-child")
    assert result.stdout == b"end\n", result
    assert result.seconds("user_us") + result.seconds("system_us") >= 0.9, result
    assert int(result.fields["max_rss_kib"]) >= 50000, result


def test_memory_of_processes_is_their_sum(guest):
    result = guest.hostile("use-memory-twice")
    assert result.status == "exited" and result.exit_code == 0, result
    assert int(result.fields["max_rss_kib"]) >= 110000, result


def test_memory_of_a_small_program_is_not_that_of_making_its_container(guest):
    result = guest.shell("exit 0")
    assert int(result.fields["max_rss_kib"]) < 4000, result


def test_a_stage_cannot_hide_its_cpu_time(guest):
    ran = stages(guest, (USE_UNWAITED, {"cpu": 500}), ("echo next", {}))
    assert [stage[3]["end"] for stage in ran] == ["cpu"], ran


def test_the_usage_of_a_stage_has_processes_that_nobody_waits_for(guest):
    ran = stages(guest, (USE_UNWAITED, {}), ("true", {}))
    assert int(ran[0][3]["user_us"]) + int(ran[0][3]["system_us"]) >= 900000, ran
    assert int(ran[0][3]["max_rss_kib"]) >= 50000, ran
    assert int(ran[1][3]["user_us"]) + int(ran[1][3]["system_us"]) < 900000, ran
    assert int(ran[1][3]["max_rss_kib"]) < 50000, ran


@pytest.mark.parametrize("signal", ["STOP", "KILL"])
def test_a_stage_can_neither_stop_nor_kill_what_watches_it(guest, signal):
    script = f"cd /proc; for p in [0-9]*; do [ $p = $$ ] || kill -{signal} $p; done; kill -{signal} $PPID; sleep 1000"
    ran = stages(guest, (script, {"wall": 2000}), timeout_ms=600000)
    assert ran[0][3]["end"] == "wall", ran


def test_a_stage_that_slows_down_what_watches_it_has_exceeded_its_time(guest):
    """The lowest priority for everything else, and more processes than it could keep up with."""
    script = "renice -n 19 -p 1; for i in 1 2 3 4 5 6 7 8; do sh -c 'while :; do :; done' & done; sleep 2"
    ran = stages(guest, (script, {"wall": 1000}), timeout_ms=600000)
    assert ran[0][3]["end"] == "wall", ran


def test_files_of_one_stage_do_not_use_up_the_memory_of_the_next(guest):
    """The report says how much memory the files hold."""
    leave = "head -c 100000000 /dev/zero >file; echo left"
    limits = {"memory": 120_000_000}
    ran = stages(guest, (leave, limits), (USE, limits), timeout_ms=600000)
    assert [stage[1] for stage in ran] == [b"left\n", b"used\n"], ran
    assert int(ran[0][3]["held_kib"]) < 1000, ran
    assert 95000 <= int(ran[1][3]["held_kib"]) <= 105000, ran


def test_a_stage_that_is_killed_for_its_memory_says_so(guest):
    ran = stages(guest, (USE, {"memory": 40_000_000}), timeout_ms=600000)
    assert ran[0][1] == b"", ran
    assert int(ran[0][3]["oom_kills"]) >= 1, ran


def test_the_limit_of_the_job_holds_for_all_stages_together(guest):
    """What earlier stages left fills the memory of the job, although no stage has a limit of its own."""
    leave = f"head -c {100 * MIB} /dev/zero >file; echo left"
    ran = stages(guest, (leave, {}), (USE, {}), memory_mib=140, timeout_ms=600000)
    assert [stage[1] for stage in ran] == [b"left\n", b""], ran
    assert int(ran[1][3]["oom_kills"]) >= 1, ran
    assert int(ran[1][3]["held_kib"]) >= 100 * 1024 * 95 // 100, ran
