"""Programs that misbehave inside their VM."""
import service as s
from run import nothing_is_left, test


@test("a program that outlives its limit is ended, and what it printed is kept")
def _(service):
    outcome = service.run("echo before; sleep 100; echo after", timeout_ms=1500)
    s.check_equal((outcome.status, outcome.exit_code, outcome.stdout), ("timeout", None, b"before\n"))
    s.check(1400 <= outcome.usage["wall_ms"] <= 4000, outcome.usage)
    nothing_is_left(service)


@test("a program that forks forever ends at its limit")
def _(service):
    outcome = service.run("echo go; f() { f | f & f; }; f", timeout_ms=2500)
    s.check(outcome.status in ("timeout", "exited", "oom", "signaled"), outcome.result)
    s.check_equal(outcome.stdout[:3], b"go\n")
    nothing_is_left(service)


@test("a program that prints without end is cut, and marked as cut")
def _(service):
    outcome = service.run("echo first; yes", timeout_ms=2500)
    s.check_equal((outcome.status, outcome.stdout_truncated, outcome.stderr_truncated), ("timeout", True, False))
    s.check_equal((len(outcome.stdout), outcome.stdout[:8]), (1 << 20, b"first\ny\n"))
    nothing_is_left(service)


@test("a program that fills the disk meets a full disk, not the host's")
def _(service):
    outcome = service.run("dd if=/dev/zero of=/tmp/big bs=1M count=2000 2>&1; rm /tmp/big; echo still running", timeout_ms=60000)
    s.check(b"No space left" in outcome.stdout and b"still running" in outcome.stdout, outcome.result, outcome.stdout)
    nothing_is_left(service)


@test("more output files than may be sent are cut, counted and said")
def _(service):
    outcome = service.run("cd /output; i=0; while [ $i -lt 20 ]; do head -c 1048576 /dev/zero > f$i; i=$((i+1)); done",
                          timeout_ms=60000)
    s.check_equal(outcome.status, "output_limit")
    s.check(outcome.result["outputs_dropped"] >= 4 and 10 <= len(outcome.files) <= 16, outcome.result)
    s.check(all(len(content) == 1 << 20 for content in outcome.files.values()), "a file was cut")
    nothing_is_left(service)


@test("a program that exhausts memory is reported as oom")
def _(service):
    outcome = service.run("echo start; tail /dev/zero", timeout_ms=60000)
    s.check_equal((outcome.status, outcome.stdout), ("oom", b"start\n"), outcome.result)
    nothing_is_left(service)


@test("a program that ignores SIGTERM and every other signal it can is ended at its limit")
def _(service):
    outcome = service.run("trap '' TERM INT HUP QUIT USR1 USR2 PIPE ALRM; while :; do :; done", timeout_ms=1500)
    s.check_equal(outcome.status, "timeout")
    nothing_is_left(service)


@test("a program that ends by a signal is reported with the signal")
def _(service):
    for name, number in (("KILL", 9), ("SEGV", 11), ("ABRT", 6), ("TERM", 15)):
        outcome = service.run(f"kill -{name} $$")
        s.check_equal((outcome.status, outcome.signal, outcome.exit_code), ("signaled", number, None), name)
    nothing_is_left(service)


@test("a program that daemonises does not outlive its job")
def _(service):
    outcome = service.run("(setsid sh -c 'while :; do sleep 1; done' &) ; echo parent done", timeout_ms=9000)
    s.check_equal((outcome.status, outcome.stdout), ("exited", b"parent done\n"))
    s.check(outcome.usage["wall_ms"] < 8000, outcome.usage)
    nothing_is_left(service)


@test("symlinks, devices and fifos in /output are not followed, only counted")
def _(service):
    outcome = service.run("cd /output; ln -s /etc/passwd link; mkfifo fifo; ln -s .. up; echo real > file")
    s.check_equal(outcome.files, {"file": b"real\n"})
    s.check_equal(outcome.result["outputs_dropped"], 3)
    nothing_is_left(service)


@test("odd names in /output come back as they are")
def _(service):
    outcome = service.run("cd /output; echo 1 > 'a b'; echo 2 > \"$(printf 'x\\ny')\"; mkdir -p d/e; echo 3 > d/e/f")
    s.check_equal(outcome.files, {"a b": b"1\n", "x%0Ay": b"2\n", "d/e/f": b"3\n"})


@test("root in the container is confined: no mounts, no modules, no devices, no clock, no namespaces")
def _(service):
    outcome = service.run("mount -t tmpfs x /mnt && echo BAD; mknod /tmp/k c 1 1 && echo BAD; date -s 2001-01-01; date +%Y | grep 2001 && echo BAD;"
                          "unshare -U true && echo BAD; chroot / true && echo BAD; echo x > /proc/sys/kernel/hostname && echo BAD;"
                          "ls /dev/pmem0 && echo BAD; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; true")
    s.check(b"BAD" not in outcome.stdout, outcome.stdout, outcome.stderr)
    s.check(b"NoNewPrivs:\t1" in outcome.stdout and b"Seccomp:\t2" in outcome.stdout, outcome.stdout)
