"""What ordinary jobs get."""
import json

import service as s
from run import test


@test("a program's stdout, stderr and exit code come back as they were")
def _(service):
    outcome = service.run("printf out; printf err >&2; exit 7")
    s.check_equal((outcome.status, outcome.exit_code, outcome.signal), ("exited", 7, None))
    s.check_equal((outcome.stdout, outcome.stderr), (b"out", b"err"))


@test("the result names image, digest, usage and the time of every phase")
def _(service):
    result = service.run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").result
    s.check_equal(result["image"], "busybox:1.35")
    s.check(result["image_digest"].startswith("sha256:"), result)
    s.check(result["usage"]["user_ms"] > 0 and result["usage"]["max_rss_kib"] > 100, result["usage"])
    s.check(result["usage"]["wall_ms"] >= result["usage"]["user_ms"] * 0.5, result["usage"])
    s.check_equal(set(result["timing_ms"]) >= {"queue", "vm", "input", "run", "output"}, True, result["timing_ms"])


@test("bytes pass through unchanged, NUL and non-UTF-8 included")
def _(service):
    data = bytes(range(256)) * 300
    outcome = service.run(["cat", "data.bin"], files=[("data.bin", data)])
    s.check_equal(outcome.stdout == data, True, "stdout")


@test("files come in under their paths, writable in /work and read-only in /input")
def _(service):
    outcome = service.run("cat a.txt sub/b.txt; echo more >> a.txt; cat a.txt; touch /input/x; pwd",
                          files=[("a.txt", "A\n"), ("sub/b.txt", "B\n")])
    s.check_equal(outcome.stdout, b"A\nB\nA\nmore\n/work\n")
    s.check(b"Read-only" in outcome.stderr, outcome.stderr)


@test("what a program leaves in /output comes back, by globs when asked")
def _(service):
    script = "mkdir -p /output/plots; echo 1 > /output/a.o; echo 2 > /output/plots/x.png; echo 3 > /output/b.txt"
    s.check_equal(service.run(script).files, {"a.o": b"1\n", "plots/x.png": b"2\n", "b.txt": b"3\n"})
    s.check_equal(set(service.run(script, outputs=["*.o", "plots/**"]).files), {"a.o", "plots/x.png"})


@test("standard input is the named file, or empty")
def _(service):
    s.check_equal(service.run(["wc", "-c"], files=[("in.txt", "12345")], stdin="in.txt").stdout, b"5\n")
    s.check_equal(service.run(["wc", "-c"]).stdout, b"0\n")


@test("the environment has the job's variables")
def _(service):
    s.check_equal(service.run('echo "$GREETING"', env={"GREETING": "hi there"}).stdout, b"hi there\n")


# Maps every file named on stdin and prints those that have anything behind their end in their last page.
TAILS = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
count = 0
for path in sys.stdin.read().split("\n"):
    if not path:
        continue
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    whole = (size + 4095) // 4096 * 4096
    at = libc.mmap(None, whole, 1, 2, fd, 0)
    for page in range(0, whole, 4096):
        ctypes.string_at(at + page, 1)
    if ctypes.string_at(at, size) != open(path, "rb").read() or ctypes.string_at(at + size, whole - size).strip(b"\0"):
        print("wrong:", path, size)
    libc.munmap(at, whole)
    os.close(fd)
    count += 1
print(count > int(sys.argv[1]), "files")
"""


@test("a mapped file has its bytes, and zeroes behind its end: of the image, in /work and in /input")
def _(service):
    script = "find /usr -xdev -type f -size +128k | python3 tails.py 50; find /work /input -type f -name '*.bin' | python3 tails.py 15"
    sizes = [1, 4095, 4097, 100000, 131071, 131073, 200001, 300000, 1000001]
    files = [(f"{size}.bin", b"x" * size) for size in sizes] + [("tails.py", TAILS)]
    outcome = service.run(script, image="python:3", timeout_ms=60000, files=files)
    s.check_equal((outcome.stdout, outcome.stderr), (b"True files\n" * 2, b""), outcome.result)


@test("a script or program that was sent can be run by its name")
def _(service):
    s.check_equal(service.run(["./hello"], files=[("hello", "#!/bin/sh\necho from a script\n")]).stdout, b"from a script\n")


@test("a command that does not exist answers 127 and says so")
def _(service):
    outcome = service.run(["no-such-program"])
    s.check_equal((outcome.status, outcome.exit_code), ("exited", 127))
    s.check(b"no-such-program" in outcome.stderr, outcome.stderr)


@test("gcc 14 compiles and runs a program, by the image's default command")
def _(service):
    source = '#include <stdio.h>\nint main(void) { printf("%d\\n", __GNUC__); return 5; }\n'
    outcome = service.run(image="gcc:14", files=[("main.c", source)])
    s.check_equal((outcome.stdout, outcome.exit_code), (b"14\n", 5), outcome.stderr)
    broken = service.run(image="gcc:14", files=[("main.c", "int main(void) { return x; }\n")])
    s.check_equal(broken.exit_code, 1)
    s.check(b"undeclared" in broken.stderr, broken.stderr)


@test("the answer comes as JSON or cpio when asked")
def _(service):
    body = s.form({"image": "busybox:1.35", "cmd": ["sh", "-c", "echo hi; echo f > /output/f; printf '\\377' >&2"]})
    answer = service.post(body, accept="application/json")
    result = json.loads(answer.body)
    s.check_equal((result["status"], result["stdout"]), ("exited", "hi\n"))
    s.check_equal(result["stderr"], {"base64": "/w=="})
    cpio = service.post(body, accept="application/x-cpio")
    s.check_equal((cpio.status, cpio.body[:6]), (200, b"070701"))
    s.check(b"TRAILER!!!" in cpio.body, "no trailer")


@test("the job sees no network, no host and the right time")
def _(service):
    import time
    outcome = service.run("ls /sys/class/net; cat /proc/net/route | wc -l; hostname; date +%s")
    interfaces, routes, host, now = outcome.stdout.decode().rsplit("\n", 4)[:4]
    s.check_equal((interfaces, routes, host), ("lo", "1", "pe"))
    s.check(abs(int(now) - time.time()) < 5, "the guest's time is off by", int(now) - time.time(), "s")


@test("two jobs on the same slot do not see each other")
def _(service):
    service.run("echo secret > /tmp/secret; echo secret > /work/secret")
    for _ in range(3):
        s.check_equal(service.run("cat /tmp/secret /work/secret 2>/dev/null | wc -c").stdout, b"0\n")


@test("jobs in parallel on all slots each get their own answer")
def _(service):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda i: service.run(f"sleep 0.2; echo job {i}"), range(6)))
    s.check_equal([outcome.stdout for outcome in outcomes], [f"job {i}\n".encode() for i in range(6)])


@test("the catalog lists images with digests, default commands and the limits")
def _(service):
    catalog = service.request("GET", "/v1/images").json()
    names = {image["name"]: image for image in catalog["images"]}
    s.check({"gcc:14", "busybox:1.35"} <= set(names), names)
    s.check(names["gcc:14"]["digest"].startswith("sha256:") and names["gcc:14"]["default_cmd"], names["gcc:14"])
    s.check_equal(catalog["defaults"]["timeout_ms"], 10000)
    digest = names["busybox:1.35"]["digest"]
    s.check_equal(service.run("echo pinned", image=f"busybox@{digest}").stdout, b"pinned\n")
