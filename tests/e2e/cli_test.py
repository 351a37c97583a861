"""pe-run against the real service, and as a service of its own."""
import os
import subprocess
import tempfile

import service as s
from run import nothing_is_left, test


def pe_run(service, *args, stdin=None):
    env = dict(os.environ)
    env.pop("PE_SERVER", None)
    if service:
        args = ("--server", f"http://127.0.0.1:{service.port}", *args)
    return subprocess.run([s.program("pe-run"), *args], input=stdin, capture_output=True, timeout=150, env=env,
                          stdin=subprocess.DEVNULL if stdin is None else None, check=False)


@test("pe-run passes stdin in and stdout, stderr and the exit code out")
def _(service):
    done = pe_run(service, "--stdin", "-", "busybox:1.35", "--", "sh", "-c", "cat; echo err >&2; exit 9", stdin=b"\0in\xff")
    s.check_equal((done.stdout, done.returncode), (b"\0in\xff", 9), done.stderr)
    s.check(b"err\n" in done.stderr, done.stderr)


@test("pe-run sends files and directories and writes output files")
def _(service):
    with tempfile.TemporaryDirectory() as directory:
        os.makedirs(f"{directory}/tree/sub")
        for name in ("one.txt", "tree/two.txt", "tree/sub/three.txt"):
            with open(f"{directory}/{name}", "w", encoding="utf-8") as file:
                file.write(name)
        done = pe_run(service, "--output", f"{directory}/out", "busybox:1.35", f"{directory}/one.txt", f"{directory}/tree", "--",
                      "sh", "-c", "find . -type f | sort; mkdir /output/d; cp one.txt /output/d/copy")
        s.check_equal(done.stdout, b"./one.txt\n./tree/sub/three.txt\n./tree/two.txt\n", done.stderr)
        with open(f"{directory}/out/d/copy", encoding="utf-8") as file:
            s.check_equal(file.read(), "one.txt")


@test("pe-run's exit code tells timeout, signal and failure of the service apart")
def _(service):
    s.check_equal(pe_run(service, "--timeout", "1", "busybox:1.35", "--", "sleep", "20").returncode, 124, "timeout")
    s.check_equal(pe_run(service, "busybox:1.35", "--", "sh", "-c", "kill -SEGV $$").returncode, 128 + 11, "signal")
    unknown = pe_run(service, "busybx:1.35", "--", "true")
    s.check_equal(unknown.returncode, 66, "unknown image")
    s.check(b"busybox:1.35" in unknown.stderr, unknown.stderr)
    s.check_equal(pe_run(None, "--server", "http://127.0.0.1:1", "busybox:1.35", "--", "true").returncode, 69, "no server")
    nothing_is_left(service)


@test("pe-run without a server starts its own, runs the example and leaves nothing")
def _(service):
    before = s.qemu_pids() - set(service.vmm_pids())
    done = pe_run(None, "gcc:14", os.path.join(s.TOP, "examples", "hello.c"))
    s.check_equal((done.stdout[:15], done.returncode), (b"Hello from gcc ", 0), done.stderr)
    s.check(b"no server named" in done.stderr, done.stderr)
    s.check(s.gone(s.qemu_pids() - before - set(service.vmm_pids())), "a VMM is left")
    s.check_equal(s.shared_places() - service.places_before, set(), "files left behind")
