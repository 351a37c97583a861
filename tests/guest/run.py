#!/usr/bin/env python3
"""Tests of pe-init, pe-shim and the initramfs, each in a VM of its own: tests/guest/run.py [--build DIR] [WORDS]

Only tests whose name contains WORDS are run. Needs DIR (default build/guest) as initramfs/build leaves it. PE_GUEST=small in the
environment takes the kernel and initramfs of DIR/small.
"""

import argparse
import glob
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import guest  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
MIB = guest.MIB
TESTS = []


class Bench:
    """What the tests share: the built guest, a busybox rootfs, the hostile program."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.rootfs = os.path.join(folder, "rootfs.squashfs")
        self.make_rootfs()
        program = os.path.join(folder, "hostile")
        subprocess.run(["gcc", "-O1", "-static", "-s", "-o", program, os.path.join(HERE, "hostile.c")], check=True)
        with open(program, "rb") as file:
            self.hostile_program = file.read()

    def busybox(self):
        """Debian's static busybox, taken out of its package."""
        cache = os.path.join(self.build, "cache")
        if not glob.glob(cache + "/busybox-static_*.deb"):
            print("# downloading busybox-static", flush=True)
            os.makedirs(cache, exist_ok=True)
            subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "busybox-static"],
                           cwd=cache, check=True)
        unpacked = os.path.join(self.folder, "busybox")
        subprocess.run(["dpkg-deb", "-x", glob.glob(cache + "/busybox-static_*.deb")[0], unpacked], check=True)
        return os.path.join(unpacked, "bin/busybox")

    def make_rootfs(self):
        root = os.path.join(self.folder, "rootfs")
        for name in "bin dev etc input mnt output proc root sys tmp work".split():
            os.makedirs(os.path.join(root, name))
        binary = os.path.join(root, "bin/busybox")
        shutil.copy(self.busybox(), binary)
        for applet in subprocess.check_output([binary, "--list"], text=True).split():
            if applet != "busybox":
                os.symlink("busybox", os.path.join(root, "bin", applet))
        self.rootfs_size = guest.make_squashfs(root, self.rootfs)

    def boot(self):
        return guest.Guest(self.build, self.rootfs)

    def shell(self, script, **options):
        """One job: a shell script."""
        with self.boot() as vm:
            return vm.run(["sh", "-c", script], **options)

    def hostile(self, behaviour, **options):
        """One job: the hostile program."""
        with self.boot() as vm:
            return vm.run(["/work/hostile", behaviour], files={"hostile": self.hostile_program}, **options)


def test(name):
    def register(function):
        TESTS.append((name, function))
        return function

    return register


def equal(got, wanted, result=None):
    assert got == wanted, "got %r, wanted %r\n%s" % (got, wanted, result or "")


def within(got, least, most, result=None):
    assert least <= got <= most, "got %r, wanted %r to %r\n%s" % (got, least, most, result or "")


def build_initramfs(bench, folder):
    """What initramfs/build makes of the programs in folder, for the kernel under test."""
    command, result = [os.path.join(ROOT, "initramfs/build"), folder], os.path.join(folder, guest.VARIANT)
    left = ["VERSION", "initramfs.cpio", "vmlinux"]
    if guest.VARIANT:
        command.append(guest.VARIANT)
        shutil.copytree(os.path.join(bench.build, guest.VARIANT), result)
        os.unlink(os.path.join(result, "initramfs.cpio"))
        left.append("modules.builtin")
    else:
        left += ["cache", "pe-init", "pe-shim", "vmlinuz"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    equal(sorted(os.listdir(result)), sorted(left))
    with open(os.path.join(result, "initramfs.cpio"), "rb") as file:
        return file.read()


@test("the initramfs is the same byte for byte wherever and whenever it is built")
def _(bench):
    archives = []
    for name in "first", "second":
        folder = os.path.join(bench.folder, name)
        os.makedirs(folder)
        for program in "pe-init", "pe-shim":
            shutil.copyfile(os.path.join(bench.build, program), os.path.join(folder, program))
            os.chmod(os.path.join(folder, program), 0o755)
        os.symlink(os.path.join(bench.build, "cache"), os.path.join(folder, "cache"))
        archives.append(build_initramfs(bench, folder))
        shutil.rmtree(folder)
    equal(archives[0] == archives[1], True)


@test("a job gets its files, stdin, directory, clock and devices, and gives back what it wrote")
def _(bench):
    script = """
        pwd; cat; cat src/a.txt; cat /input/src/a.txt; date +%s
        echo changed > src/a.txt && echo new > /usr.txt && cat src/a.txt /usr.txt
        (echo x > /input/no) 2>/dev/null || echo input is read-only
        cat /sys/block/pmem0/size /sys/block/pmem1/size /sys/block/pmem2/size
        mkdir -p /output/a && echo one > /output/a.txt && echo two > /output/a/b && chmod 750 /output/a/b
        ln -s /etc/passwd /output/link && mkfifo /output/fifo
        echo problem >&2; exit 3"""
    with bench.boot() as vm:
        result = vm.run(["sh", "-c", script], files={"src/a.txt": b"text\n"}, stdin=b"typed\n")
        print("# ready after %.2f s, go to done %.2f s" % (vm.ready_s, vm.job_s))
    lines = result.stdout.decode().splitlines()
    equal(lines[:4], ["/work", "typed", "text", "text"], result)
    within(int(lines[4]), 1700000000, 1700000010, result)
    sectors = [str(size // 512) for size in (bench.rootfs_size, guest.INPUT_BYTES, guest.OUTPUT_BYTES)]
    equal(lines[5:], ["changed", "new", "input is read-only"] + sectors, result)
    equal((result.status, result.exit_code, result.stderr), ("exited", 3, b"problem\n"), result)
    equal(list(result.files), [b"a", b"a.txt", b"a/b"], result)
    equal(result.files[b"a"].mode, stat.S_IFDIR | 0o755, result)
    equal((result.files[b"a/b"].mode, result.files[b"a/b"].content), (stat.S_IFREG | 0o750, b"two\n"), result)
    within(result.files[b"a/b"].mtime, 1700000000, 1700000010, result)
    equal(result.dropped, 2, result)
    within(result.seconds("wall_us"), 0.001, 10, result)
    within(result.seconds("exec_us"), 0.001, 10, result)
    within(result.seconds("output_us"), 0.0001, 10, result)
    within(int(result.fields["max_rss_kib"]), 100, 100000, result)


@test("only outputs that match a glob are sent or counted")
def _(bench):
    script = """cd /output; mkdir -p plots/deep other; for f in a.o b.c plots/p.png plots/deep/q.png other/r.png
        do echo $f > $f; done; ln -s a.o b.o; ln -s b.c c.c"""
    result = bench.shell(script, outputs=["*.o", "plots/**"])
    equal(list(result.files), [b"a.o", b"plots/deep", b"plots/deep/q.png", b"plots/p.png"], result)
    equal((result.status, result.dropped), ("exited", 1), result)


@test("a job without stdin reads from /dev/null, and a program that is not there exits with 127")
def _(bench):
    result = bench.shell("cat; nosuch; echo $?; echo > plain; ./plain; echo $?; exec nosuch", stdin=None)
    equal(result.stdout, b"127\n126\n", result)
    with bench.boot() as vm:
        result = vm.run(["nosuch", "word"])
    equal((result.status, result.exit_code), ("exited", 127), result)
    equal(result.stderr, b"pe: cannot run 'nosuch': No such file or directory\n", result)


@test("a file that may not be executed exits with 126")
def _(bench):
    with bench.boot() as vm:
        result = vm.run(["/proc/self/status"])
    equal((result.status, result.exit_code), ("exited", 126), result)
    assert result.stderr.startswith(b"pe: cannot run '/proc/self/status': Permission denied"), result


@test("a program that dies of a signal is reported with the signal")
def _(bench):
    result = bench.hostile("crash")
    equal((result.status, result.signal, result.exit_code), ("signaled", 11, -1), result)


@test("a job that outlives its limit keeps what it printed, whatever it does to stay alive")
def _(bench):
    result = bench.hostile("stubborn", timeout_ms=1500)
    equal((result.status, result.stdout), ("timeout", b"parent ends\n"), result)
    within(result.seconds("wall_us"), 1.5, 4, result)


@test("a fork bomb ends at the time limit")
def _(bench):
    with bench.boot() as vm:
        result = vm.run(["/work/hostile", "fork-bomb"], files={"hostile": bench.hostile_program}, timeout_ms=2000)
    equal((result.status, result.stdout), ("timeout", b"before\n"), result)
    within(vm.job_s, 2, 15, result)


@test("a job is over when its program is, whatever it left running on its pipes")
def _(bench):
    result = bench.hostile("daemonise")
    equal((result.status, result.exit_code, result.stdout), ("exited", 0, b"parent ends\n"), result)
    within(result.seconds("wall_us"), 0, 10, result)


@test("a program that takes too much memory is reported as oom")
def _(bench):
    result = bench.hostile("eat-memory", memory_mib=128)
    equal((result.status, result.signal), ("oom", 9), result)


@test("a program that outlives the oom kill of a child and exits with 0 has exited")
def _(bench):
    result = bench.hostile("eat-memory-in-child", memory_mib=128)
    equal((result.status, result.exit_code), ("exited", 0), result)


@test("a memory limit above what the guest has still ends in oom, not in thrashing")
def _(bench):
    result = bench.hostile("eat-memory-in-child", memory_mib=4096, timeout_ms=40000)
    equal((result.status, result.exit_code), ("exited", 0), result)


@test("more output than may be kept is cut and marked, and the program can finish")
def _(bench):
    result = bench.hostile("flood", stdout_limit=100000)
    equal((result.status, result.exit_code), ("exited", 4), result)
    equal((result.stdout, result.fields["stdout_truncated"]), (b"x" * 100000, "1"), result)
    equal((result.stderr, result.fields["stderr_truncated"]), (b"stdout closed\n", "0"), result)


@test("scratch has the size of the job, and a full one is still delivered")
def _(bench):
    script = """dd if=/dev/zero of=/tmp/fill bs=1M 2>/dev/null; echo $?; echo more > /work/more; echo $?
        echo more > /output/more; echo $?; stat -c %s /tmp/fill"""
    result = bench.shell(script, scratch_bytes=32 * MIB)
    lines = result.stdout.split()
    equal((result.status, lines[:3]), ("exited", [b"1", b"1", b"1"]), result)
    within(int(lines[3]), 30 * MIB, 32 * MIB, result)


@test("outputs that do not fit are left out whole and counted, the others are sent")
def _(bench):
    script = """cd /output; truncate -s 900G a-sparse; dd if=/dev/urandom of=b bs=1M count=9 2>/dev/null
        dd if=/dev/zero of=c bs=1M count=9 2>/dev/null; truncate -s 1M d; ln -s . e-loop; mkdir f; ln -s .. f/up
        echo x > 'g
h'; printf i > "$(printf 'i\\377')"; n=$(printf '%0250d' 7); mkdir -p $n/$n/$n/$n; echo deep > $n/$n/$n/$n/$n
        sha256sum b"""
    result = bench.shell(script)
    long_name = b"0" * 249 + b"7"
    names = [b"/".join([long_name] * n) for n in (1, 2, 3, 4)]
    equal(list(result.files), names + [b"b", b"d", b"f", b"g\nh", b"i\xff"], result)
    equal((result.status, result.exit_code, result.dropped), ("output_limit", 0, 5), result)
    equal(hashlib.sha256(result.files[b"b"].content).hexdigest(), result.stdout.decode().split()[0], result)
    equal(result.files[b"d"].content, bytes(MIB), result)
    print("# delivering 10 MiB took %.0f ms" % (1e3 * result.seconds("output_us")))


@test("a failing program keeps its exit code when its outputs do not fit, a killed one its status")
def _(bench):
    result = bench.shell("echo 1 > /output/a; echo 2 > /output/b; kill -9 $$", output_files=1)
    equal((result.status, result.signal, result.dropped), ("signaled", 9, 1), result)
    equal(list(result.files), [b"a"], result)


@test("of 100,000 output files the first are sent, in order")
def _(bench):
    result = bench.hostile("100000-files", timeout_ms=60000)
    equal((result.status, result.dropped), ("output_limit", 100000 - 4096), result)
    equal(list(result.files), [b"%06d" % i for i in range(4096)], result)


@test("outputs nested deeper than a path may be are cut off")
def _(bench):
    result = bench.hostile("nest")
    equal((result.status, result.dropped), ("output_limit", 1), result)
    equal(list(result.files)[-1], b"/".join([b"d"] * 32), result)


@test("the program cannot touch the shim, its reports or its descriptor")
def _(bench):
    result = bench.hostile("attack-shim")
    equal((result.status, result.exit_code, result.stdout), ("exited", 0, b"held\n"), result)


@test("the program cannot mount, make devices, reach the guest's or see a network")
def _(bench):
    result = bench.hostile("attack-container")
    equal((result.status, result.stdout), ("exited", b"held\n"), result)
    result = bench.shell("ls /sys/class/net; ls /dev; ls /proc | grep -c '^[0-9]'; cat /proc/self/cgroup")
    lines = result.stdout.decode().split()
    equal(lines[0], "lo", result)
    assert not [name for name in lines if name.startswith(("pmem", "ttyS"))], result


def vm_error(bench, write_input):
    """The reason of a job that must come back as vm_error; `write_input` gets the VM when it is ready."""
    with bench.boot() as vm:
        vm.wait_ready()
        write_input(vm)
        result = vm.go()
    equal((result.status, result.files, result.stdout), ("vm_error", {}, b""), result)
    return result.fields["reason"]


@test("what crun complains about is the reason of a vm_error")
def _(bench):
    reason = vm_error(bench, lambda vm: vm.write_input(b'{"ociVersion": "1.0.0"', None, guest.make_job()))
    assert reason.startswith("crun: "), reason
    assert "config" in reason or "parse" in reason, reason


@test("an input that is no squashfs, or has a malformed job, is a vm_error that says so")
def _(bench):
    reason = vm_error(bench, lambda vm: None)
    assert reason.startswith("mounting /dev/pmem1 at"), reason
    reason = vm_error(bench, lambda vm: vm.write_input(b"{}", None, guest.make_job(timeout_ms="soon")))
    equal(reason, "the job: 'timeout_ms' is not a number")
    reason = vm_error(bench, lambda vm: vm.write_input(b"{}", None, b"version=1\n"))
    equal(reason, "the job: no 'now_ns'")


@test("a guest that hears something other than wake or go says fail")
def _(bench):
    with bench.boot() as vm:
        vm.wait_ready()
        vm.control.sendall(b"gone\n")
        equal(vm.hear(10), "fail the host said something other than 'wake', 'prewarm' or 'go'")


@test("a guest whose image is no squashfs says fail instead of ready")
def _(bench):
    image = os.path.join(bench.folder, "empty")
    with open(image, "wb") as file:
        file.truncate(2 * MIB)
    with guest.Guest(bench.build, image) as vm:
        line = vm.hear(guest.BOOT_TIMEOUT_S)
    assert line.startswith("fail mounting /dev/pmem0 at /run/pe/image: "), line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build/guest"))
    parser.add_argument("words", nargs="?", default="")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    for name in "vmlinux", "initramfs.cpio":
        path = os.path.join(build, guest.VARIANT, name)
        if not os.path.exists(path):
            sys.exit("%s is not there; make guest or make kernel makes it" % path)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="pe-test-guest-") as folder:
        bench = Bench(build, folder)
        for name, function in TESTS:
            if options.words not in name:
                continue
            try:
                function(bench)
            except Exception:
                traceback.print_exc(file=sys.stdout)
                print("not ok " + name, flush=True)
                failed += 1
            else:
                print("ok " + name, flush=True)
                passed += 1
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
