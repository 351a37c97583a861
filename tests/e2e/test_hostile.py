# SPDX-License-Identifier: Apache-2.0
"""Programs that misbehave inside their VM."""
import pytest

pytestmark = pytest.mark.each_engine


def test_a_program_that_outlives_its_limit_is_ended_and_what_it_printed_is_kept(service):
    job = service.run("echo before; sleep 100; echo after", timeout_ms=5000)
    assert job.status == "timeout"
    assert job.exit_code is None
    assert job.stdout == b"before\n"
    assert job.usage["wall_ms"] >= 4900
    service.assert_nothing_is_left()


def test_a_program_that_forks_forever_ends_at_its_limit(service):
    job = service.run("echo go; f() { f | f & f; }; f", timeout_ms=5000)
    assert job.status in ("timeout", "exited", "oom", "signaled"), job.fields
    assert job.stdout[:3] == b"go\n"
    service.assert_nothing_is_left()


def test_endless_output_is_cut_and_marked_as_cut(service):
    job = service.run("echo first; yes", timeout_ms=8000)
    assert job.status == "timeout"
    assert job.stdout_truncated
    assert not job.stderr_truncated
    assert len(job.stdout) == 1 << 20
    assert job.stdout[:8] == b"first\ny\n"
    service.assert_nothing_is_left()


def test_a_program_that_fills_the_disk_fills_only_its_own(service):
    job = service.run(
        "dd if=/dev/zero of=/tmp/big bs=1M count=2000 2>&1; rm /tmp/big; echo still running",
        timeout_ms=60000,
    )
    assert b"No space left" in job.stdout and b"still running" in job.stdout, (
        job.fields,
        job.stdout,
    )
    service.assert_nothing_is_left()


def test_output_files_over_the_limit_are_dropped_counted_and_reported(service):
    job = service.run(
        "cd /output; i=0; while [ $i -lt 20 ]; do head -c 1048576 /dev/zero > f$i; i=$((i+1)); done",
        timeout_ms=60000,
    )
    assert job.status == "output_limit"
    assert job.fields["outputs_dropped"] >= 4 and 10 <= len(job.files) <= 16, job.fields
    assert all(len(content) == 1 << 20 for content in job.files.values()), "a file was cut"
    service.assert_nothing_is_left()


def test_a_program_that_exhausts_memory_is_reported_as_oom(small_service):
    for program in ("tail /dev/zero", """awk 'BEGIN { x = "x"; while (1) x = x x }'"""):
        job = small_service.run(f"echo start; exec {program}", timeout_ms=60000)
        assert job.status == "oom", (program, job.fields)
        assert job.stdout == b"start\n", (program, job.fields)
    small_service.assert_nothing_is_left()


def test_a_program_that_ignores_sigterm_and_every_other_signal_it_can_is_ended_at_its_limit(
    service,
):
    job = service.run(
        "trap '' TERM INT HUP QUIT USR1 USR2 PIPE ALRM; while :; do :; done", timeout_ms=1500
    )
    assert job.status == "timeout"
    service.assert_nothing_is_left()


def test_a_program_that_ends_by_a_signal_is_reported_with_the_signal(service):
    for name, number in (("KILL", 9), ("SEGV", 11), ("ABRT", 6), ("TERM", 15)):
        job = service.run(f"kill -{name} $$")
        assert job.status == "signaled", name
        assert job.signal == number, name
        assert job.exit_code is None, name
    service.assert_nothing_is_left()


def test_a_program_that_daemonises_does_not_outlive_its_job(service):
    job = service.run(
        "(setsid sh -c 'while :; do sleep 1; done' &) ; echo parent done", timeout_ms=60000
    )
    assert job.status == "exited"
    assert job.stdout == b"parent done\n"
    assert job.usage["wall_ms"] < 50000
    service.assert_nothing_is_left()


def test_symlinks_devices_and_fifos_in_output_are_not_followed_only_counted_and_named(service):
    job = service.run(
        "cd /output; ln -s /etc/passwd link; mkfifo fifo; ln -s .. up; echo real > file"
    )
    assert job.files == {"file": b"real\n"}
    assert job.fields["outputs_dropped"] == 3
    assert [(entry["name"], entry["type"]) for entry in job.fields["dropped"]] == [
        ("fifo", "fifo"),
        ("link", "symlink"),
        ("up", "symlink"),
    ]
    service.assert_nothing_is_left()


def test_odd_names_in_output_are_returned_unchanged(service):
    job = service.run(
        "cd /output; echo 1 > 'a b'; echo 2 > \"$(printf 'x\\ny')\"; mkdir -p d/e; echo 3 > d/e/f"
    )
    assert job.files == {"a b": b"1\n", "x\ny": b"2\n", "d/e/f": b"3\n"}


def test_root_in_the_container_is_confined_no_mounts_no_modules_no_devices_no_clock_no_namespaces(
    service,
):
    job = service.run(
        "mount -t tmpfs x /mnt && echo BAD; mknod /tmp/k c 1 1 && echo BAD; date -s 2001-01-01; date +%Y | grep 2001 && echo BAD;"
        "unshare -U true && echo BAD; chroot / true && echo BAD; echo x > /proc/sys/kernel/hostname && echo BAD;"
        "ls /dev/pmem0 && echo BAD; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; true"
    )
    assert b"BAD" not in job.stdout, (job.stdout, job.stderr)
    assert b"NoNewPrivs:\t1" in job.stdout and b"Seccomp:\t2" in job.stdout, job.stdout
