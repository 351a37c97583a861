# SPDX-License-Identifier: Apache-2.0
"""pe-init, pe-shim and the initramfs, each test in a VM of its own."""
import hashlib
import os
import shutil
import stat
import subprocess

import pytest

from fixtures.paths import TOP, VARIANT
from fixtures.stages import frames, plan, read
from fixtures.vm import BOOT_TIMEOUT_S, INPUT_BYTES, MIB, OUTPUT_BYTES, make_job

pytestmark = pytest.mark.each_engine


def build_initramfs(guest, folder):
    """Both root file systems that initramfs/build makes of the programs in folder, for the kernel under
    test."""
    command, result = [os.path.join(TOP, "initramfs/build"), folder], os.path.join(folder, VARIANT)
    left = ["VERSION", "initramfs.cpio", "root.squashfs", "vmlinux"]
    if VARIANT:
        command.append(VARIANT)
        shutil.copytree(os.path.join(guest.build, VARIANT), result)
        os.unlink(os.path.join(result, "initramfs.cpio"))
        left.append("modules.builtin")
    else:
        left += ["cache", "pe-init", "pe-shim", "vmlinuz"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert sorted(os.listdir(result)) == sorted(left)
    made = []
    for name in "initramfs.cpio", "root.squashfs":
        with open(os.path.join(result, name), "rb") as file:
            made.append(file.read())
    return made


def test_the_initramfs_is_built_reproducibly(guest):
    archives = []
    for name in "first", "second":
        folder = os.path.join(guest.folder, name)
        os.makedirs(folder)
        for program in "pe-init", "pe-shim":
            shutil.copyfile(os.path.join(guest.build, program), os.path.join(folder, program))
            os.chmod(os.path.join(folder, program), 0o755)
        os.symlink(os.path.join(guest.build, "cache"), os.path.join(folder, "cache"))
        archives.append(build_initramfs(guest, folder))
        shutil.rmtree(folder)
    assert archives[0] == archives[1]


def test_a_job_gets_its_inputs_and_returns_its_outputs(guest):
    sizes = " ".join(f"/sys/block/{device}/size" for device in guest.guest.DEVICES)
    script = f"""
        pwd; cat; cat src/a.txt; cat /input/src/a.txt; date +%s
        echo changed > src/a.txt && echo new > /usr.txt && cat src/a.txt /usr.txt
        (echo x > /input/no) 2>/dev/null || echo input is read-only
        cat {sizes}
        mkdir -p /output/a && echo one > /output/a.txt && echo two > /output/a/b && chmod 750 /output/a/b
        ln -s /etc/passwd /output/link && mkfifo /output/fifo
        echo problem >&2; exit 3"""
    with guest.boot() as vm:
        result = vm.run(["sh", "-c", script], files={"src/a.txt": b"text\n"}, stdin=b"typed\n")
        lines = result.stdout.decode().splitlines()
    assert lines[:4] == ["/work", "typed", "text", "text"], result
    assert 1700000000 <= int(lines[4]) <= 1700000300, result
    sectors = [str(size // 512) for size in (guest.rootfs_size, INPUT_BYTES, OUTPUT_BYTES)]
    assert lines[5:] == ["changed", "new", "input is read-only"] + sectors, result
    assert result.status == "exited", result
    assert result.exit_code == 3, result
    assert result.stderr == b"problem\n", result
    assert list(result.files) == [b"a", b"a.txt", b"a/b"], result
    assert result.files[b"a"].mode == stat.S_IFDIR | 0o755, result
    assert result.files[b"a/b"].mode == stat.S_IFREG | 0o750, result
    assert result.files[b"a/b"].content == b"two\n", result
    assert 1700000000 <= result.files[b"a/b"].mtime <= 1700000300, result
    assert result.dropped == 2, result
    assert result.seconds("wall_us") >= 0.001, result
    assert result.seconds("exec_us") >= 0.001, result
    assert result.seconds("output_us") >= 0.00001, result
    assert 100 <= int(result.fields["max_rss_kib"]) <= 100000, result


def test_the_clock_goes_on_after_the_host_did_not_run_the_vm_for_seconds(guest):
    # More than four turns of the counter of the ACPI timer.
    still_s = 20
    script = "read a b </proc/uptime; sleep 0.2; read c d </proc/uptime; echo $a $c"
    result = guest.shell(script, still_s=still_s)
    before, after = map(float, result.stdout.split())
    assert before > still_s, result
    assert after - before >= 0.19 and result.seconds("wall_us") >= 0.2, result


def test_only_outputs_that_match_a_glob_are_sent_or_counted(guest):
    script = """cd /output; mkdir -p plots/deep other; for f in a.o b.c plots/p.png plots/deep/q.png other/r.png
        do echo $f > $f; done; ln -s a.o b.o; ln -s b.c c.c"""
    result = guest.shell(script, outputs=["*.o", "plots/**"])
    assert list(result.files) == [
        b"a.o",
        b"plots/deep",
        b"plots/deep/q.png",
        b"plots/p.png",
    ], result
    assert result.status == "exited", result
    assert result.dropped == 1, result


def test_outputs_that_are_not_sent_are_named_in_byte_order_up_to_a_bound(guest):
    script = """cd /output; mkdir d; mkfifo d/fifo; ln -s x link; mknod null p; mkdir 'a b'
        echo big >file; ln -s x "$(printf 'n\\nl')" """
    result = guest.shell(script, output_limit=3)
    assert result.dropped == 5, result
    assert result.names == [
        b"fifo d/fifo",
        b"file file",
        b"symlink link",
        b"symlink n\\nl",
        b"fifo null",
    ], result
    long = "n" * 250
    result = guest.shell(f"cd /output; for i in $(seq 100 199); do ln -s x $i; ln -s x {long}$i; done")
    assert result.dropped == 200, result
    assert result.names == [b"symlink %d" % i for i in range(100, 116)], result
    result = guest.shell(f"cd /output; for i in $(seq 100 199); do ln -s x {long}$i; done")
    assert len(result.names) == 7, result


def test_a_job_without_stdin_reads_nothing_and_a_missing_program_exits_with_127(guest):
    result = guest.shell(
        "cat; nosuch; echo $?; echo > plain; ./plain; echo $?; exec nosuch", stdin=None
    )
    assert result.stdout == b"127\n126\n", result
    with guest.boot() as vm:
        result = vm.run(["nosuch", "word"])
    assert result.status == "exited", result
    assert result.exit_code == 127, result
    assert result.stderr == b"pe: cannot run 'nosuch': No such file or directory\n", result


def test_a_file_that_may_not_be_executed_exits_with_126(guest):
    with guest.boot() as vm:
        result = vm.run(["/proc/self/status"])
    assert result.status == "exited", result
    assert result.exit_code == 126, result
    assert result.stderr.startswith(
        b"pe: cannot run '/proc/self/status': Permission denied"
    ), result


def test_a_program_that_dies_of_a_signal_is_reported_with_the_signal(guest):
    result = guest.hostile("crash")
    assert result.status == "signaled", result
    assert result.signal == 11, result
    assert result.exit_code == -1, result


def test_a_job_that_outlives_its_limit_keeps_what_it_printed(guest):
    result = guest.hostile("stubborn", timeout_ms=5000)
    assert result.status == "timeout", result
    assert result.stdout == b"parent ends\n", result
    assert result.seconds("wall_us") >= 5, result


def test_a_fork_bomb_ends_at_the_time_limit(guest):
    with guest.boot() as vm:
        result = vm.run(
            ["/work/hostile", "fork-bomb"],
            files={"hostile": guest.hostile_program},
            timeout_ms=5000,
        )
    assert result.status == "timeout", result
    assert result.stdout == b"before\n", result
    assert vm.job_s >= 5, result


def test_a_job_ends_with_its_program_even_if_others_hold_its_pipes(guest):
    result = guest.hostile("daemonise")
    assert result.status == "exited", result
    assert result.exit_code == 0, result
    assert result.stdout == b"parent ends\n", result


def test_a_program_that_takes_too_much_memory_is_reported_as_oom(guest):
    result = guest.hostile("eat-memory", memory_mib=128)
    assert result.status == "oom", result
    assert result.signal == 9, result


def test_a_program_that_outlives_the_oom_kill_of_a_child_and_exits_with_0_has_exited(guest):
    result = guest.hostile("eat-memory-in-child", memory_mib=128)
    assert result.status == "exited", result
    assert result.exit_code == 0, result


def test_a_memory_limit_above_what_the_guest_has_still_ends_in_oom_not_in_thrashing(guest):
    result = guest.hostile("eat-memory-in-child", memory_mib=4096)
    assert result.status == "exited", result
    assert result.exit_code == 0, result


def test_output_over_the_limit_is_cut_and_marked_and_the_program_can_finish(guest):
    result = guest.hostile("flood", stdout_limit=100000)
    assert result.status == "exited", result
    assert result.exit_code == 4, result
    assert result.stdout == b"x" * 100000, result
    assert result.fields["stdout_truncated"] == "1", result
    assert result.stderr == b"stdout closed\n", result
    assert result.fields["stderr_truncated"] == "0", result


def test_a_program_is_ended_at_the_limit_of_a_stream_on_demand(guest):
    for redirection, stream in ("", "stdout"), (">&2", "stderr"):
        script = f"(setsid sleep 1000 &) ; yes {redirection}; echo not reached"
        result = guest.shell(script, stdout_limit=1000, stderr_limit=1000, stop_at_output_limit=1)
        assert result.status == "stream_limit", result
        assert result.exit_code == -1 and result.seconds("wall_us") > 0, result
        assert getattr(result, stream) == b"y\n" * 500, result
        assert result.fields[f"{stream}_truncated"] == "1", result


def test_a_program_that_ends_with_too_much_output_is_reported_like_one_that_was_ended(guest):
    script = "head -c $0 /dev/zero"
    for size, status in (1000, "exited"), (1001, "stream_limit"):
        with guest.boot() as vm:
            command = ["sh", "-c", script, str(size)]
            result = vm.run(command, stdout_limit=1000, stop_at_output_limit=1, combined=1)
        assert result.status == status, result
        assert result.stdout == result.combined == bytes(1000), result


def test_output_is_in_order_also_if_a_program_opens_its_streams_again(guest):
    wanted = b"".join(b"%d " % i for i in range(5000))
    result = guest.hostile("write-in-order", combined=1)
    assert result.exit_code == 0 and result.combined == wanted, result
    with guest.boot() as vm:
        stages = plan((["/work/hostile", "write-in-order"], {}))
        report = vm.run(stages, files={"hostile": guest.hostile_program}).stdout
    assert b"".join(text for kind, text in frames(report) if kind in b"oe") == wanted, report


def test_only_what_watches_a_stage_has_precedence(guest):
    # The nice value and the policy of a process, where 1 is SCHED_FIFO (proc(5), /proc/[pid]/stat).
    policies = "sh -c \"cut -d ' ' -f 19,41 /proc/1/stat /proc/self/stat\""
    with guest.boot() as vm:
        result = vm.run(plan((policies, {})))
    assert read(result.stdout)[0][1] == b"0 1\n0 0\n", result


def test_text_over_the_limit_is_cut_at_a_character(guest):
    result = guest.shell("yes \u00e9 | head -n 9000; yes \u00e9 | head -n 9000 >&2", stdout_limit=10000)
    assert result.stdout == "\u00e9\n".encode() * 3333, result
    assert result.fields["stdout_truncated"] == "1", result
    assert result.stderr == "\u00e9\n".encode() * 9000, result


def test_scratch_space_has_the_given_size_and_a_full_one_is_still_delivered(guest):
    script = """dd if=/dev/zero of=/tmp/fill bs=1M 2>/dev/null; echo $?; echo more > /work/more; echo $?
        echo more > /output/more; echo $?; stat -c %s /tmp/fill"""
    result = guest.shell(script, scratch_bytes=32 * MIB)
    lines = result.stdout.split()
    assert result.status == "exited", result
    assert lines[:3] == [b"1", b"1", b"1"], result
    assert 30 * MIB <= int(lines[3]) <= 32 * MIB, result


def test_outputs_that_do_not_fit_are_dropped_and_counted_and_others_are_sent(guest):
    script = """cd /output; truncate -s 900G a-sparse; dd if=/dev/urandom of=b bs=1M count=9 2>/dev/null
        dd if=/dev/zero of=c bs=1M count=9 2>/dev/null; truncate -s 1M d; ln -s . e-loop; mkdir f; ln -s .. f/up
        echo x > 'g
h'; printf i > "$(printf 'i\\377')"; n=$(printf '%0250d' 7); mkdir -p $n/$n/$n/$n; echo deep > $n/$n/$n/$n/$n
        sha256sum b"""
    result = guest.shell(script)
    long_name = b"0" * 249 + b"7"
    names = [b"/".join([long_name] * n) for n in (1, 2, 3, 4)]
    assert list(result.files) == names + [b"b", b"d", b"f", b"g\nh", b"i\xff"], result
    assert result.status == "output_limit", result
    assert result.exit_code == 0, result
    assert result.dropped == 5, result
    assert (
        hashlib.sha256(result.files[b"b"].content).hexdigest() == result.stdout.decode().split()[0]
    ), result
    assert result.files[b"d"].content == bytes(MIB), result


def test_a_killed_program_keeps_its_status_when_its_outputs_do_not_fit(guest):
    result = guest.shell("echo 1 > /output/a; echo 2 > /output/b; kill -9 $$", output_files=1)
    assert result.status == "signaled", result
    assert result.signal == 9, result
    assert result.dropped == 1, result
    assert list(result.files) == [b"a"], result


def test_of_100_000_output_files_the_first_are_sent_in_order(guest):
    result = guest.hostile("100000-files")
    assert result.status == "output_limit", result
    assert result.dropped == 100000 - 4096, result
    assert list(result.files) == [b"%06d" % i for i in range(4096)], result


def test_outputs_nested_deeper_than_a_path_may_be_are_cut_off(guest):
    result = guest.hostile("nest")
    assert result.status == "output_limit", result
    assert result.dropped == 1, result
    assert list(result.files)[-1] == b"/".join([b"d"] * 32), result


def test_the_program_cannot_touch_the_shim_its_reports_or_its_descriptor(guest):
    result = guest.hostile("attack-shim")
    assert result.status == "exited", result
    assert result.exit_code == 0, result
    assert result.stdout == b"held\n", result


def test_the_program_cannot_mount_make_devices_or_see_a_network(guest):
    result = guest.hostile("attack-container")
    assert result.status == "exited", result
    assert result.stdout == b"held\n", result
    result = guest.shell(
        "ls /sys/class/net; ls /dev; ls /proc | grep -c '^[0-9]'; cat /proc/self/cgroup"
    )
    lines = result.stdout.decode().split()
    assert lines[0] == "lo", result
    assert not [name for name in lines if name.startswith(("pmem", "ubd", "ttyS"))], result


def vm_error(guest, write_input):
    """The reason of a job that must come back as vm_error; `write_input` gets the VM when it is
    ready."""
    with guest.boot() as vm:
        vm.wait_ready()
        write_input(vm)
        result = vm.go()
    assert result.status == "vm_error", result
    assert result.files == {}, result
    assert result.stdout == b"", result
    return result.fields["reason"]


def test_an_error_of_crun_is_the_reason_of_a_vm_error(guest):
    reason = vm_error(guest, lambda vm: vm.write_input(b'{"ociVersion": "1.0.0"', None, make_job()))
    assert reason.startswith("crun: "), reason
    assert "config" in reason or "parse" in reason, reason


def test_a_malformed_input_is_a_vm_error_with_a_reason(guest):
    reason = vm_error(guest, lambda vm: None)
    assert reason.startswith(f"cannot mount /dev/{guest.guest.DEVICES[1]} at"), reason
    reason = vm_error(guest, lambda vm: vm.write_input(b"{}", None, make_job(timeout_ms="soon")))
    assert reason == "the job: 'timeout_ms' is not a number"
    reason = vm_error(guest, lambda vm: vm.write_input(b"{}", None, b"version=1\n"))
    assert reason == "the job: key 'now_ns' is missing"


def test_a_guest_reports_an_unknown_message_with_fail(guest):
    with guest.boot() as vm:
        vm.wait_ready()
        vm.serial.sendall(b"gone\n")
        assert (
            vm.receive(BOOT_TIMEOUT_S)
            == "fail the host said something other than 'wake', 'prewarm', 'go' or 'live'"
        )


def test_a_guest_whose_image_is_not_a_squashfs_reports_fail_instead_of_ready(guest):
    image = os.path.join(guest.folder, "empty")
    with open(image, "wb") as file:
        file.truncate(2 * MIB)
    with guest.guest(guest.build, image) as vm:
        line = vm.receive(BOOT_TIMEOUT_S)
    assert line.startswith(f"fail cannot mount /dev/{guest.guest.DEVICES[0]} at /run/pe/image: "), line
