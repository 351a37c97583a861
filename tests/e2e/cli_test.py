"""pe-run against the real service, and as a service of its own."""
import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import tempfile

import service as s
from run import nothing_is_left, test


def pe_run(service, *args, stdin=None):
    env = dict(os.environ)
    env.pop("PE_SERVER", None)
    env["XDG_CONFIG_HOME"] = "/nonexistent"
    if service:
        env["PE_SERVER"] = f"http://127.0.0.1:{service.port}"
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


@test("pe-run's exit code tells timeout, signal, memory and failure of the service apart")
def _(service):
    for code in (0, 1, 64, 125, 255):
        s.check_equal(pe_run(service, "busybox:1.35", "--", "sh", "-c", f"exit {code}").returncode, code, "the program's own")
    s.check_equal(pe_run(service, "busybox:1.35", "--", "no-such-program").returncode, 127, "command not found")
    memory = pe_run(service, "--timeout", "20", "busybox:1.35", "--", "sh", "-c", "x=aaaaaaaa; while :; do x=$x$x; done")
    s.check_equal(memory.returncode, 137, memory.stderr)
    s.check(b"more memory" in memory.stderr, memory.stderr)
    s.check_equal(pe_run(service, "--timeout", "1", "busybox:1.35", "--", "sleep", "20").returncode, 124, "timeout")
    s.check_equal(pe_run(service, "busybox:1.35", "--", "sh", "-c", "kill -SEGV $$").returncode, 128 + 11, "signal")
    unknown = pe_run(service, "busybx:1.35", "--", "true")
    s.check_equal(unknown.returncode, 66, "unknown image")
    s.check(b"busybox:1.35" in unknown.stderr, unknown.stderr)
    refused = pe_run(service, "busybox:1.35")
    s.check_equal(refused.returncode, 65, refused.stderr)  # it has no default command
    s.check_equal(pe_run(service, "busybox:1.35", "/nonexistent").returncode, 64, "usage")
    s.check_equal(pe_run(None, "--server", "http://127.0.0.1:1", "busybox:1.35", "--", "true").returncode, 69, "no server")
    nothing_is_left(service)


@test("pe-run without a server starts its own, runs the example and leaves nothing")
def _(service):
    before = s.qemu_pids() - set(service.vmm_pids())
    done = pe_run(None, "gcc:14", os.path.join(s.TOP, "examples", "hello.c"))
    s.check_equal((done.stdout[:15], done.returncode), (b"Hello from gcc ", 0), done.stderr)
    s.check(b"no server given" in done.stderr, done.stderr)
    s.check(s.gone(s.qemu_pids() - before - set(service.vmm_pids())), "a VMM is left")
    s.check_equal(s.shared_places() - service.places_before, set(), "files left behind")


@test("pe-run says 75 when the service has no worker")
def _(service):
    lonely = s.Service(slots=0)
    try:
        lonely.start()
        done = pe_run(lonely, "busybox:1.35", "--", "true")
    finally:
        lonely.stop()
    s.check_equal(done.returncode, 75, done.stderr)
    s.check(b"try again in" in done.stderr, done.stderr)


def on_terminal(service, *args):
    """What pe-run draws and prints on a terminal of its own."""
    command = " ".join(map(shlex.quote, (s.program("pe-run"), "--server", f"http://127.0.0.1:{service.port}", *args)))
    return subprocess.run(["script", "-qec", command, "/dev/null"], stdin=subprocess.DEVNULL, capture_output=True, timeout=150,
                          env={**os.environ, "TERM": "xterm"}, check=False).stdout


@test("on a terminal pe-run shows the place in the queue, and then that the program runs")
def _(service):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        others = [pool.submit(service.run, "sleep 3") for _ in range(6)]
        service.wait_for(lambda health: health["queued"] >= 1, 30, "a queue")
        shown = on_terminal(service, "--no-cache", "busybox:1.35", "--", "sh", "-c", "sleep 3; echo over")
        for other in others:
            s.check_equal(other.result().status, "exited")
    s.check(re.search(rb"queued \(position \d+, about \d+ s\)", shown), shown)
    s.check(re.search(rb"running \d+\.\d s", shown), shown)
    s.check(shown.endswith(b"\r\x1b[Kover\r\n"), shown)


@test("pe-run --watch runs a file again when it changes, and an interrupted run leaves nothing")
def _(service):
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/one.sh"
        with open(path, "w", encoding="utf-8") as file:
            file.write("echo first\n")
        process = subprocess.Popen([s.program("pe-run"), "--server", f"http://127.0.0.1:{service.port}", "--watch", "busybox:1.35", path,
                                    "--", "sh", "one.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        s.check_equal(process.stdout.readline(), b"first\n")
        with open(path, "w", encoding="utf-8") as file:
            file.write("echo second; sleep 20 >/dev/null\n")
        service.wait_for(lambda health: health["running"] == 1, 30, "the second run")
        process.send_signal(signal.SIGINT)
        s.check_equal((process.wait(10), process.stdout.read()), (130, b""))
        process.stdout.close()
    service.wait_for(lambda health: health["running"] == 0, 30, "the end of the job")
    nothing_is_left(service)


@test("pe-run images lists what the workers have")
def _(service):
    done = pe_run(service, "images", "--quiet")
    s.check_equal((done.returncode, b"busybox:1.35" in done.stdout.split()), (0, True), done.stderr)
