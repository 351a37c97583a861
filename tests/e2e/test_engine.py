# SPDX-License-Identifier: Apache-2.0
"""The VM engine as its user sees it: VMs differ, a prepared container confines like any other,
templates are kept, rebuilt and evicted."""
import concurrent.futures
import glob
import hashlib
import os
import socket
import struct
import subprocess
import time

import pytest

from fixtures import engine
from fixtures.image_store import store_with
from fixtures.paths import GUEST, IMAGES, VARIANT
from fixtures.waiting import PATIENCE, eventually

pytestmark = pytest.mark.each_engine
only_with_templates = pytest.mark.only_with("snapshots", "a template is a snapshot")

# enum template_message_kind of worker/template_channel.h
KINDS = {"request": 0, "request now": 1, "release": 4, "clone": 6, "boot": 7}
MESSAGE = "=I256s65s3x"  # struct template_message there
INITIAL_NAMESPACES = (
    0xF0000001  # inode numbers up to here are the kernel's own namespaces (include/linux/proc_ns.h)
)


def fixed_columns(mountinfo):
    """Lines of /proc/self/mountinfo without what is counted: mount, parent and device numbers."""
    return [" ".join(line.split()[3:]) for line in mountinfo.splitlines()]


def confinement(service):
    script = """cd /proc/self; cat status | grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|Umask)'; echo %; cat limits
        echo %; cat mountinfo; echo %; ls -l ns | sed -n 's/.*-> //p'; echo %; cat cgroup oom_score_adj; hostname; pwd; env | sort
        ls -l /dev /dev/pts | sed 's/ [A-Z].*[0-9] / /'; ls /proc/1/fd 2>&1; echo %; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>&1"""
    job = service.run(script)
    assert job.status == "exited"
    parts = job.stdout.decode().split("%\n")
    names = dict(line.rstrip("]").split(":[") for line in parts[3].split())
    own = {name: int(number) > INITIAL_NAMESPACES for name, number in names.items()}
    return {
        "status": parts[0],
        "limits": parts[1],
        "mounts": fixed_columns(parts[2]),
        "namespaces": own,
        "other": parts[4],
        "cgroup": parts[5],
    }


@pytest.mark.only_with(
    "qemu", "User Mode Linux shows the processor of the host, but no job can use this"
)
def test_a_guest_has_a_processor_that_cannot_run_vms(service):
    flags = service.run("grep -m1 ^flags /proc/cpuinfo").stdout.split()
    assert b"lm" in flags, "the flags of a processor"
    assert not {b"vmx", b"svm"} & set(flags)


def test_a_prepared_container_confines_a_job_like_a_new_one(service, start_service):
    prepared = confinement(service)
    other = start_service("--new-containers", slots=1)
    made = confinement(other)
    other.end()
    for what, value in prepared.items():
        assert value == made[what], what
    assert "Seccomp:\t2" in prepared["status"] and "NoNewPrivs:\t1" in prepared["status"], prepared[
        "status"
    ]
    own = prepared["namespaces"]
    assert all(own[name] for name in ("pid", "mnt", "net", "ipc", "uts", "cgroup")), (
        "shared with the guest:",
        own,
    )


def clock_program(folder):
    """A static program that prints the time in nanoseconds."""
    source, binary = os.path.join(folder, "clock.c"), os.path.join(folder, "clock")
    with open(source, "w") as file:
        file.write(
            """#include <stdio.h>
            #include <time.h>
            int main(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t);
                return printf("%lld%09ld\\n", (long long)t.tv_sec, t.tv_nsec) < 0; }"""
        )
    subprocess.run(["gcc", "-O1", "-static", "-s", "-o", binary, source], check=True)
    with open(binary, "rb") as file:
        return file.read()


def one_vm(service, clock):
    script = """./clock; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1
        mktemp -u"""
    before = time.time()
    job = service.run(script, files=[("clock", clock)])
    after = time.time()
    assert job.status == "exited", job.stderr
    nanoseconds, boot_id, uuid, random, name = [
        line.strip() for line in job.stdout.decode().splitlines()
    ]
    steps = job.fields["phases_us"]
    earliest = before + steps["exec"] / 1e6
    latest = after - steps["output"] / 1e6
    seconds = int(nanoseconds) / 1e9
    return {"boot id": boot_id, "uuid": uuid, "urandom": random, "mktemp": name}, max(
        earliest - seconds, seconds - latest, 0
    )


def test_50_vms_of_one_image_share_no_random_data_and_know_the_time_to_50_ms(service, tmp_path):
    clock = clock_program(str(tmp_path))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        vms = list(pool.map(lambda _: one_vm(service, clock), range(50)))
    for what in vms[0][0]:
        values = [vm[0][what] for vm in vms]
        assert all(values), ("empty:", what)
        assert len(set(values)) == 50, "different values of " + what
    wrong = max(vm[1] for vm in vms)
    assert wrong <= 0.05, f"a clock is at least {wrong * 1000:.0f} ms wrong"


def test_a_job_sees_nothing_of_the_warm_up_or_the_prewarming(start_service, tmp_path):
    warmup = [
        "sh",
        "-c",
        "for d in /output /work /root /tmp /dev/shm; do echo spoilt > $d/spoilt; done; sleep 1000 & sleep 1000",
    ]
    other = start_service(
        "--warm", "busybox:1.35", store=store_with(str(tmp_path / "spoilt"), warmup), slots=1
    )
    other.worker.wait_for_log("is warm")
    time.sleep(0.5)  # prewarming has begun, and is interrupted
    job = other.run(
        "find / -name spoilt -not -path '/proc/*'; ps -o comm | grep -cx sleep; ls -A /work /output | wc -l"
    )
    other.end()
    assert job.stdout.decode().split() == ["0", "3"], "files and processes of the warm-up"
    assert job.files == {}


@only_with_templates
def test_a_template_outlives_its_worker_and_is_made_again_when_its_inputs_change(
    start_service, tmp_path
):
    state = str(tmp_path / "kept")
    first = start_service("--state", state, slots=1)
    first.worker.wait_for_log("template for busybox:1.35 made")
    first.worker.wait_for_log("is warm")
    eventually(lambda: glob.glob(state + "/templates/?*/state"), "the template is on disk")
    first.end()
    again = start_service("--state", state, slots=1)
    again.worker.wait_for_log("template for busybox:1.35 loaded")
    assert again.run("echo from a kept template").stdout == b"from a kept template\n"
    again.end()
    other = start_service("--memory", "512", "--state", state, slots=1)
    other.worker.wait_for_log("template for busybox:1.35 made")
    assert other.run("echo smaller").stdout == b"smaller\n"
    other.end()
    for path in glob.glob(state + "/templates/*/state"):
        os.truncate(path, 100)
    damaged = start_service("--state", state, slots=1)
    damaged.worker.wait_for_log("template for busybox:1.35 loaded")
    damaged.worker.wait_for_log("will be made again")
    damaged.worker.wait_for_log("template for busybox:1.35 made")
    assert damaged.run("echo all the same").stdout == b"all the same\n"
    damaged.end()


@only_with_templates
def test_the_least_recently_used_templates_are_removed_from_disk(start_service, tmp_path):
    state = str(tmp_path / "small")
    other = start_service("--templates", "150", "--state", state, slots=1)
    other.worker.wait_for_log("template for busybox:1.35 made")
    assert other.run(["gcc", "--version"], image="gcc:14").status == "exited"
    other.worker.wait_for_log("makes room")
    eventually(lambda: len(os.listdir(state + "/templates")) == 1, "one template is left on disk")
    assert other.run("echo hi").stdout == b"hi\n", "a job of the image whose template is gone"
    other.end()


def test_refills_limits_the_vms_made_at_a_time_but_a_waiting_job_gets_one_at_once(
    start_service, tmp_path
):
    run_dir = str(tmp_path / "run")
    with open(os.path.join(IMAGES, "names", "busybox:1.35.json"), "rb") as file:
        entry = hashlib.sha256(file.read()).hexdigest().encode() + b"\0"
    grant = "clone" if engine.has("snapshots") else "boot"
    other = start_service("--refills", "1", "--run-dir", run_dir, slots=1)
    other.worker.wait_for_log("is warm")
    links = []
    for _ in range(3):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(PATIENCE)
        link.connect(glob.glob(run_dir + "/worker-*/templates")[0])
        links.append(link)

    def send(link, kind):
        link.send(struct.pack(MESSAGE, KINDS[kind], b"busybox:1.35", b""))

    def answer(link, seconds=PATIENCE):
        link.settimeout(seconds)
        try:
            kind, _, identity = struct.unpack(MESSAGE, link.recv(struct.calcsize(MESSAGE)))
        except TimeoutError:
            return None
        assert kind == KINDS[grant], "the kind of the answer"
        if grant == "clone":
            assert identity == entry, "the identity of the template's image"
        return "granted"

    send(links[0], "request")
    assert answer(links[0]) == "granted", "the first"
    send(links[1], "request")
    assert answer(links[1], 0.5) is None, "the second, while the first is at it"
    send(links[2], "request now")
    assert answer(links[2]) == "granted", "one for a job"
    send(links[2], "release")
    send(links[0], "release")
    assert answer(links[1]) == "granted", "the second, then"
    links[1].close()  # dies with the permission
    send(links[0], "request")
    assert answer(links[0]) == "granted", "after the death of one that had the permission"
    for link in links:
        link.close()
    other.end()


def test_a_worker_that_may_choose_logs_which_engine_it_uses_and_why_not_a_better_one(start_service):
    other = start_service("--vmm", "auto", slots=1)
    log = other.log()
    assert "not cloud-hypervisor+kvm+snapshot" in log, log[:2000]
    assert any(name in log for name in engine.SOFTWARE), log[:2000]
    assert other.run("echo chosen").stdout == b"chosen\n"
    other.end()


def test_where_kvm_may_not_be_used_a_guest_kernel_isolates_jobs(start_service):
    other = start_service("--vmm", "auto", "--isolation", "kernel,emulation", slots=1)
    assert "slots, uml+boot, balancer" in other.worker.log()
    assert "Jobs are isolated by a guest kernel in an ordinary process" in other.worker.log()
    assert other.run("true", isolation="kernel").isolation == "kernel"
    other.end()


def test_without_a_kernel_for_it_emulation_isolates_jobs_and_the_log_says_what_to_do(start_service):
    options = ("--vmm", "auto", "--isolation", "kernel,emulation", "--uml-kernel", "/none/linux")
    other = start_service(*options, slots=1)
    log = other.worker.log()
    assert "slots, qemu+tcg+snapshot; not uml+boot: User Mode Linux needs a kernel" in log
    assert "Jobs are isolated by emulation" in log
    assert "`make uml-kernel` and a restart of the worker give native speed" in log
    assert other.run("true").isolation == "emulation"
    other.end()


def test_a_worker_logs_the_engine_that_it_was_told_to_use(service):
    assert f"{engine.NAME} (asked for)" in service.worker.log()


def test_an_engine_that_boots_makes_no_templates(start_service):
    booting = "qemu+tcg+boot" if engine.has("qemu") else engine.NAME
    other = start_service("--vmm", booting, slots=1)
    assert other.run("echo booted").stdout == b"booted\n"
    assert not os.listdir(other.worker.state + "/templates")
    other.end()


def test_every_job_reports_its_steps_and_the_worker_keeps_histograms_of_them(
    start_service, tmp_path
):
    path = str(tmp_path / "metrics.prom")
    other = start_service("--metrics-file", path, slots=1)
    other.worker.wait_for_log("is warm")
    steps = other.run("sleep 0.2").fields["phases_us"]
    assert list(steps) == "spawn restore ready input go exec program output parse".split()
    of_clones = [] if engine.has("snapshots") else ["spawn", "restore"]
    assert [step for step in steps if steps[step] == 0] == of_clones, ("steps without time:", steps)
    assert 200000 <= steps["program"] < 60e6, ("program", steps)
    other.run("exit 3")
    other.end()
    with open(path) as file:
        text = file.read()
    assert 'pe_worker_jobs_total{status="exited"} 2\n' in text, text[:400]
    assert 'pe_worker_step_seconds_count{step="program"} 2\n' in text, text[-400:]
    buckets = [
        f'pe_worker_step_seconds_bucket{{step="program",le="{le}"}} {count}\n'
        for le, count in (("0.1", 1), ("0.25", 1), ("+Inf", 2))
    ]
    assert any(bucket in text for bucket in buckets), text[-3000:]


def test_each_slots_vmm_runs_as_a_user_of_its_own_with_no_privileges(service):
    service.run("echo hi")
    users = set()
    pids = eventually(lambda: len(found := service.idle_vmms()) >= 2 and found, "two VMs are warm")
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status.read().splitlines())
        assert int(fields["CapEff"], 16) == 0, "capabilities of a VMM"
        assert fields["NoNewPrivs"].strip() == "1"
        users.add(fields["Uid"].split()[0])
    assert "0" not in users and len(users) == len(pids), (users, pids)


@only_with_templates
def test_clones_have_a_kernel_that_was_put_at_a_random_address(service):
    """tests/guest/test_addresses.py shows that this kernel is somewhere else in each template."""
    kernel = os.path.join(GUEST, VARIANT, "vmlinuz")
    if not os.path.exists(kernel):
        assert VARIANT, "only the small kernel has no random address"
        return
    with open(kernel, "rb") as file:
        beginning = file.read(1 << 20)
    for pid in idle_clones(service):
        with open(file_of(pid, "/memfd:pe-kernel (deleted)"), "rb") as file:
            assert beginning.startswith(file.read())


@only_with_templates
def test_a_clone_has_no_copy_of_its_kernel_and_initramfs(service):
    """They are in the RAM of its template. QEMU would keep what it reads to start a guest."""
    for pid in idle_clones(service):
        assert os.path.getsize(file_of(pid, "/memfd:pe-kernel (deleted)")) < 200_000
        with open(f"/proc/{pid}/maps") as maps:
            assert "initramfs" not in maps.read()


def idle_clones(service):
    """The VMMs of clones that have no job. The first VMs of an image boot, while its template is made."""
    service.run("true")
    return eventually(lambda: [pid for pid in service.idle_vmms() if is_clone(pid)], "clones are warm")


def is_clone(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        return b"-incoming" in command.read().split(b"\0")


def file_of(pid, link):
    """The path of the open file of a process whose name in /proc is `link`."""
    paths = [f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd")]
    return next(path for path in paths if os.readlink(path) == link)
