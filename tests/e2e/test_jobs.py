# SPDX-License-Identifier: Apache-2.0
"""What ordinary jobs get."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.http_client import assert_refused, job_body
from fixtures.programs_32_bit import ELF32

pytestmark = pytest.mark.each_engine


def test_stdout_stderr_and_the_exit_code_of_a_program_are_returned(service):
    job = service.run("printf out; printf err >&2; exit 7")
    assert job.status == "exited"
    assert job.exit_code == 7
    assert job.signal is None
    assert job.stdout == b"out"
    assert job.stderr == b"err"


def test_the_result_names_image_digest_usage_and_the_time_of_every_phase(service):
    result = service.run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").fields
    assert result["image"] == "busybox:1.35"
    assert result["image_digest"].startswith("sha256:"), result
    assert result["usage"]["user_ms"] > 0 and result["usage"]["max_rss_kib"] > 100, result["usage"]
    assert result["usage"]["wall_ms"] >= result["usage"]["user_ms"] * 0.5, result["usage"]
    assert set(result["timing_ms"]) >= {"queue", "vm", "input", "run", "output"}, result[
        "timing_ms"
    ]


def test_the_result_says_what_isolates_the_jobs_of_its_worker(service):
    (host,) = service.request("GET", "/v1/hosts").json()["hosts"]
    assert host["isolation"] in ("hardware", "kernel", "emulation")
    assert service.run("true").isolation == host["isolation"]


def test_a_job_that_demands_the_isolation_of_the_worker_runs_and_another_one_is_refused(service):
    (host,) = service.request("GET", "/v1/hosts").json()["hosts"]
    others = {"hardware", "kernel", "emulation"} - {host["isolation"]}
    assert service.run("echo in", isolation=host["isolation"]).stdout == b"in\n"
    job = {"image": "busybox:1.35", "cmd": ["true"], "isolation": sorted(others)}
    problem = assert_refused(service.post(job=job), 422, "isolation-unavailable")
    assert problem["available"] == [host["isolation"]]


def test_bytes_pass_through_unchanged_including_nul_and_non_utf_8(service):
    data = bytes(range(256)) * 300
    job = service.run(["cat", "data.bin"], files=[("data.bin", data)])
    assert job.stdout == data, "stdout"


def test_input_files_are_writable_in_work_and_read_only_in_input(service):
    job = service.run(
        "cat a.txt sub/b.txt; echo more >> a.txt; cat a.txt; touch /input/x; pwd",
        files=[("a.txt", "A\n"), ("sub/b.txt", "B\n")],
    )
    assert job.stdout == b"A\nB\nA\nmore\n/work\n"
    assert b"Read-only" in job.stderr, job.stderr


def test_files_in_output_are_returned_all_or_by_globs(service):
    script = "mkdir -p /output/plots; echo 1 > /output/a.o; echo 2 > /output/plots/x.png; echo 3 > /output/b.txt"
    assert service.run(script).files == {"a.o": b"1\n", "plots/x.png": b"2\n", "b.txt": b"3\n"}
    assert set(service.run(script, outputs=["*.o", "plots/**"]).files) == {"a.o", "plots/x.png"}


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_zeros_come_back_as_a_whole_whether_the_output_is_copied_or_not(service, size):
    script = f"truncate -s {size} /output/hole; head -c {size} /dev/zero > /output/zeros; echo end > /output/z"
    assert service.run(script).files == {"hole": bytes(size), "zeros": bytes(size), "z": b"end\n"}


def test_standard_input_is_the_named_file_or_empty(service):
    assert service.run(["wc", "-c"], files=[("in.txt", "12345")], stdin="in.txt").stdout == b"5\n"
    assert service.run(["wc", "-c"]).stdout == b"0\n"


def test_the_environment_has_the_jobs_variables(service):
    assert service.run('echo "$GREETING"', env={"GREETING": "hi there"}).stdout == b"hi there\n"


# Maps every file named on stdin and prints those whose last page is not zero after their end.
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


def test_a_mapped_file_has_its_bytes_and_zeros_after_its_end(service):
    script = "find /usr -xdev -type f -size +128k | python3 tails.py 50; find /work /input -type f -name '*.bin' | python3 tails.py 15"
    sizes = [1, 4095, 4097, 100000, 131071, 131073, 200001, 300000, 1000001]
    files = [(f"{size}.bin", b"x" * size) for size in sizes] + [("tails.py", TAILS)]
    job = service.run(script, image="python:3", timeout_ms=60000, files=files)
    assert job.stdout == b"True files\n" * 2, job.fields
    assert job.stderr == b"", job.fields


def test_a_script_or_program_that_was_sent_can_be_run_by_its_name(service):
    assert (
        service.run(["./hello"], files=[("hello", "#!/bin/sh\necho from a script\n")]).stdout
        == b"from a script\n"
    )


def test_a_command_that_does_not_exist_exits_with_127_and_a_message(service):
    job = service.run(["no-such-program"])
    assert job.status == "exited"
    assert job.exit_code == 127
    assert b"no-such-program" in job.stderr, job.stderr


def test_gcc_14_compiles_and_runs_a_program_by_the_images_default_command(service):
    source = '#include <stdio.h>\nint main(void) { printf("%d\\n", __GNUC__); return 5; }\n'
    job = service.run(image="gcc:14", files=[("main.c", source)])
    assert job.stdout == b"14\n", job.stderr
    assert job.exit_code == 5, job.stderr
    broken = service.run(image="gcc:14", files=[("main.c", "int main(void) { return x; }\n")])
    assert broken.exit_code == 1
    assert b"undeclared" in broken.stderr, broken.stderr


def test_the_response_is_json_or_cpio_on_request(service):
    body = job_body(
        {
            "image": "busybox:1.35",
            "timeout_ms": 60000,
            "cmd": ["sh", "-c", "echo hi; echo f > /output/f; printf '\\377' >&2"],
        }
    )
    answer = service.post(body, accept="application/json")
    result = json.loads(answer.body)
    assert result["status"] == "exited"
    assert result["stdout"] == "hi\n"
    assert result["stderr"] == {"base64": "/w=="}
    cpio = service.post(body, accept="application/x-cpio")
    assert cpio.status == 200
    assert cpio.body[:6] == b"070701"
    assert b"TRAILER!!!" in cpio.body, "no trailer"


def test_both_streams_are_combined_in_the_order_of_their_writes_on_request(service):
    code = (
        "import os, random\nrandom.seed(19)\n"
        "for i in range(2000): os.write(random.choice((1, 2)), b'%d ' % i)\n"
        "os.write(1, b'x' * 20000); os.write(2, b'y\\xc3'); os.write(1, b'z'); os.write(2, b'\\xa9')"
    )
    wanted = "".join(f"{i} " for i in range(2000)) + "x" * 20000 + "yz\u00e9"
    job = {"image": "python:3", "timeout_ms": 60000, "cmd": ["python3", "-c", code]}
    result = service.post(job={**job, "combined": True}, accept="application/json").json()
    assert result["combined"] == wanted
    assert len(result["stdout"]) + len(result["stderr"]) == len(wanted)
    assert "combined" not in service.post(job=job, accept="application/json").json()


def test_the_combined_stream_has_what_is_kept_of_both_when_they_are_too_long(service):
    script = (
        "for i in 1 2 3; do yes out | head -n 100000; yes err | head -n 100000 >&2; done; echo end"
    )
    job = service.run(script, combined=True, timeout_ms=60000)
    assert job.stdout_truncated and job.stderr_truncated and job.exit_code == 0
    assert len(job.combined) == len(job.stdout) + len(job.stderr) == 2 << 20
    first = (b"out\n" * 100000, b"err\n" * 100000)
    assert job.combined.startswith(b"".join(first) + first[0])


def test_a_flood_of_output_ends_the_job_on_demand(service):
    job = service.run("echo begin; yes", on_output_limit="stop", timeout_ms=60000)
    assert job.status == "stream_limit" and job.stdout_truncated and not job.stderr_truncated
    assert job.exit_code is None and job.stdout.startswith(b"begin\ny\n")
    assert len(job.stdout) == 1 << 20


def test_a_job_can_say_how_much_of_each_stream_is_kept(service):
    job = service.run("printf 123456; printf 654321 >&2", stdout_max=3, stderr_max=5)
    assert (job.stdout, job.stderr, job.exit_code) == (b"123", b"65432", 0)
    assert job.stdout_truncated and job.stderr_truncated
    script = "yes | head -c 9000000; yes | head -c 9000000 >&2; echo x >/output/f"
    job = service.run(script, stdout_max=16 << 20, stderr_max=16 << 20, timeout_ms=60000)
    assert len(job.stdout) == 9000000 and not job.stdout_truncated
    assert len(job.stderr) == (16 << 20) - 9000000 and job.stderr_truncated
    assert job.status == "output_limit" and not job.files


def test_a_script_behind_a_byte_order_mark_is_explained(service):
    job = service.run(["./x.sh"], files=[("x.sh", "\ufeff#!/bin/sh\necho hi\n")])
    assert job.exit_code == 126
    assert job.stderr.decode().startswith("pe: cannot run './x.sh': a byte order mark"), job.stderr


def test_a_script_whose_interpreter_does_not_exist_is_explained(service):
    for line, words in [
        ("#!/bin/sh\r\n", ["CR LF", "'/bin/sh\\r'"]),
        ("#! /bin/sh\r\n", ["CR LF", "'/bin/sh\\r'"]),
        ("#!/usr/bin/none -x\n", ["its interpreter '/usr/bin/none' does not exist"]),
    ]:
        job = service.run(["./x.sh"], files=[("x.sh", line + "echo hi\n")])
        assert job.exit_code == 127
        assert all(
            word in job.stderr.decode() for word in ["pe: cannot run './x.sh'", *words]
        ), job.stderr


FORK_AND_RECURSE = """
import os, resource, sys, time
print(resource.getrlimit(resource.RLIMIT_STACK))
children = 0
try:
    while children < 20:
        if os.fork() == 0:
            time.sleep(1000)
        children += 1
except BlockingIOError:
    pass
print(children)
try:
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 29, 1 << 29))
    print("raised")
except ValueError:
    print("refused")
"""


def test_a_job_limits_its_own_processes_and_stack(service):
    script = ["python3", "-c", FORK_AND_RECURSE]
    limited = service.run(script, image="python:3", process_limit=5, stack_limit_kib=1024)
    assert limited.stdout.decode().splitlines() == ["(1048576, 1048576)", "4", "refused"], limited
    alone = service.run("echo alone; true & wait", process_limit=1)
    assert alone.stdout == b"alone\n" and b"fork" in alone.stderr
    usual = service.run(script, image="python:3")
    assert usual.stdout.decode().splitlines() == ["(8388608, -1)", "20", "raised"], usual
    deep = "#include <stdio.h>\nint main(void) { volatile char a[100 << 20]; a[0] = 1; return puts(\"deep\") < 0; }"
    job = service.run(image="gcc:14", files=[("d.c", deep)], stack_limit_kib=200 << 10)
    assert job.stdout == b"deep\n", job


# A 32-bit system call of a 64-bit program: getpid(2), clock_settime64(2) and unshare(2) by their numbers.
CALLS_32_BIT = """
#include <stdio.h>
static long call(long number, long argument)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument), "c"(0L) : "memory", "r8");
    return result;
}
int main(void) { printf("%d %ld %ld\\n", call(20, 0) > 1, call(404, 0), call(310, 0x10000000)); }
"""


@pytest.mark.only_with("qemu", "User Mode Linux has no 32-bit system calls")
def test_32_bit_programs_run_with_the_same_filter_as_others(service):
    job = service.run("cp p /tmp && chmod +x /tmp/p && exec /tmp/p", files=[("p", ELF32)])
    assert (job.stdout, job.exit_code) == (b"32\n", 7), job
    build = "gcc c.c -o /tmp/c && exec /tmp/c"
    job = service.run(build, image="gcc:14", files=[("c.c", CALLS_32_BIT)])
    assert job.stdout == b"1 -1 -1\n", "EPERM for calls that the filter denies"


def test_text_over_the_limit_stays_text_in_json(service):
    for prefix in "", "x":
        script = f"printf '{prefix}'; yes \u00e9 | tr -d '\\n' | head -c 1200000"
        job = {"image": "busybox:1.35", "timeout_ms": 60000, "cmd": ["sh", "-c", script]}
        result = service.post(job=job, accept="application/json").json()
        assert result["stdout_truncated"]
        assert set(result["stdout"]) <= {"x", "\u00e9"}
        assert len(result["stdout"].encode()) == (1 << 20) - len(prefix)


def test_a_job_sees_no_network_no_host_and_the_right_time(service):
    before = int(time.time())
    job = service.run("ls /sys/class/net; cat /proc/net/route | wc -l; hostname; date +%s")
    interfaces, routes, host, now = job.stdout.decode().rsplit("\n", 4)[:4]
    assert interfaces == "lo"
    assert routes == "1"
    assert host == "pe"
    assert before - 1 <= int(now) <= time.time() + 1


def test_two_jobs_on_the_same_slot_do_not_see_each_other(service):
    service.run("echo secret > /tmp/secret; echo secret > /work/secret")
    for _ in range(3):
        assert service.run("cat /tmp/secret /work/secret 2>/dev/null | wc -c").stdout == b"0\n"


def test_parallel_jobs_each_get_their_own_result(service):
    with ThreadPoolExecutor(6) as pool:
        jobs = list(pool.map(lambda i: service.run(f"sleep 0.2; echo job {i}"), range(6)))
    assert [job.stdout for job in jobs] == [f"job {i}\n".encode() for i in range(6)]


def test_the_catalog_lists_images_with_digests_default_commands_and_the_limits(service):
    catalog = service.request("GET", "/v1/images").json()
    names = {image["name"]: image for image in catalog["images"]}
    assert {"gcc:14", "busybox:1.35"} <= set(names), names
    assert (
        names["gcc:14"]["digest"].startswith("sha256:") and names["gcc:14"]["default_cmd"]
    ), names["gcc:14"]
    assert catalog["defaults"]["timeout_ms"] == 10000
    digest = names["busybox:1.35"]["digest"]
    assert service.run("echo pinned", image=f"busybox@{digest}").stdout == b"pinned\n"


def test_a_program_that_fills_the_disk_fills_only_its_own_and_goes_on(service):
    script = "dd if=/dev/zero of=/tmp/big bs=1M count=2000 2>&1; rm /tmp/big; echo still running"
    job = service.run(script)
    assert b"No space left" in job.stdout and b"still running" in job.stdout, job
    service.assert_nothing_is_left()
