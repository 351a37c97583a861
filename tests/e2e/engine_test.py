"""The VM engine as its user sees it: clones are one of a kind, a prepared container confines like any other, templates
are kept, rebuilt and evicted."""
import concurrent.futures
import glob
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import time

import service as s
from run import test

WORDS = {"request": 0, "request now": 1, "release": 3, "clone": 5}  # enum template_message_kind of worker/template_channel.h
MESSAGE = "=I256s65s3x"  # struct template_message there
INITIAL_NAMESPACES = 0xF0000001  # inode numbers up to here are the kernel's own namespaces (include/linux/proc_ns.h)


class Side:
    """A service of its own, with settings that the shared one does not have."""

    def __init__(self, *worker_args, slots=1, images=None, state=None):
        self.service = s.Service(slots=slots, images=images, worker_args=worker_args)
        if state:
            self.service.worker_args += ["--state", state]

    def __enter__(self):
        return self.service.start()

    def __exit__(self, *_):
        self.service.stop()


def wait_for_log(service, text, seconds=60):
    deadline = time.monotonic() + seconds
    while text not in service.read_log():
        s.check(time.monotonic() < deadline, "the log never says", repr(text), service.read_log()[-2000:])
        time.sleep(0.1)


def fixed_columns(mountinfo):
    """Lines of /proc/self/mountinfo without what is counted: mount, parent and device numbers."""
    return [" ".join(line.split()[3:]) for line in mountinfo.splitlines()]


def confinement(service):
    script = """cd /proc/self; cat status | grep -E '^(Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups|Umask)'; echo %; cat limits
        echo %; cat mountinfo; echo %; ls -l ns | sed -n 's/.*-> //p'; echo %; cat cgroup oom_score_adj; hostname; pwd; env | sort
        ls -l /dev /dev/pts | sed 's/ [A-Z].*[0-9] / /'; ls /proc/1/fd 2>&1; echo %; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>&1"""
    outcome = service.run(script)
    s.check_equal(outcome.status, "exited")
    parts = outcome.stdout.decode().split("%\n")
    names = dict(line.rstrip("]").split(":[") for line in parts[3].split())
    own = {name: int(number) > INITIAL_NAMESPACES for name, number in names.items()}
    return {"status": parts[0], "limits": parts[1], "mounts": fixed_columns(parts[2]), "namespaces": own, "other": parts[4],
            "cgroup": parts[5]}


@test("a job is confined alike in a container that was prepared and in one that is made for it")
def _(service):
    prepared = confinement(service)
    with Side("--new-containers") as other:
        made = confinement(other)
    for what, value in prepared.items():
        s.check_equal(value, made[what], what)
    s.check("Seccomp:\t2" in prepared["status"] and "NoNewPrivs:\t1" in prepared["status"], prepared["status"])
    own = prepared["namespaces"]
    s.check(all(own[name] for name in ("pid", "mnt", "net", "ipc", "uts", "cgroup")), "shared with the guest:", own)


def clock_program(folder):
    """A static program that prints the time in nanoseconds."""
    source, binary = os.path.join(folder, "clock.c"), os.path.join(folder, "clock")
    with open(source, "w") as file:
        file.write("""#include <stdio.h>
            #include <time.h>
            int main(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t);
                return printf("%lld%09ld\\n", (long long)t.tv_sec, t.tv_nsec) < 0; }""")
    subprocess.run(["gcc", "-O1", "-static", "-s", "-o", binary, source], check=True)
    with open(binary, "rb") as file:
        return file.read()


def one_clone(service, clock):
    script = """./clock; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 16 /dev/urandom | od -An -tx1
        mktemp -u"""
    before = time.time()
    outcome = service.run(script, files=[("clock", clock)])
    after = time.time()
    s.check_equal(outcome.status, "exited", outcome.stderr)
    nanoseconds, boot_id, uuid, random, name = [line.strip() for line in outcome.stdout.decode().splitlines()]
    steps = outcome.result["phases_us"]
    earliest = before + steps["exec"] / 1e6
    latest = after - steps["output"] / 1e6
    seconds = int(nanoseconds) / 1e9
    return {"boot id": boot_id, "uuid": uuid, "urandom": random, "mktemp": name}, max(earliest - seconds, seconds - latest, 0)


@test("50 clones of one template share no random bytes, boot id, UUID or mktemp name, and know the time to 50 ms")
def _(service):
    clock = clock_program(service.directory.name)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clones = list(pool.map(lambda _: one_clone(service, clock), range(50)))
    for what in clones[0][0]:
        values = [clone[0][what] for clone in clones]
        s.check(all(values), "empty:", what)
        s.check_equal(len(set(values)), 50, "different values of " + what)
    wrong = max(clone[1] for clone in clones)
    s.check(wrong <= 0.05, f"a clock is at least {wrong * 1000:.0f} ms wrong")


def store_with(folder, warmup):
    """A store with the busybox image alone, warmed up by `warmup`."""
    store = os.path.join(os.environ.get("PE_HOME", os.path.join(s.TOP, "build")), "images")
    with open(os.path.join(store, "names", "busybox:1.35.json")) as file:
        entry = json.load(file)
    digest = entry["digest"].split(":")[1]
    shutil.copytree(os.path.join(store, digest), os.path.join(folder, digest))
    os.makedirs(os.path.join(folder, "names"))
    with open(os.path.join(folder, "names", "busybox:1.35.json"), "w") as file:
        json.dump({**entry, "warmup": warmup}, file)
    return folder


@test("what a warm-up or prewarming did is not there when the job comes")
def _(service):
    warmup = ["sh", "-c", "for d in /output /work /root /tmp /dev/shm; do echo spoilt > $d/spoilt; done; sleep 1000 & sleep 1000"]
    with Side("--warm", "busybox:1.35", images=store_with(os.path.join(service.directory.name, "spoilt"), warmup)) as other:
        wait_for_log(other, "is warm", 120)
        time.sleep(0.5)  # prewarming has begun, and is interrupted
        outcome = other.run("find / -name spoilt -not -path '/proc/*'; ps -o comm | grep -cx sleep; ls -A /work /output | wc -l")
    s.check_equal(outcome.stdout.decode().split(), ["0", "3"], "files and processes of the warm-up")
    s.check_equal(outcome.files, {})


@test("a template outlives its worker, and is made again when what it depends on changes")
def _(service):
    state = os.path.join(service.directory.name, "kept")
    with Side(state=state) as first:
        wait_for_log(first, "template for busybox:1.35 made")
        wait_for_log(first, "is warm")
        deadline = time.monotonic() + 30
        while not glob.glob(state + "/templates/?*/state"):
            s.check(time.monotonic() < deadline, "it is not written to disk")
            time.sleep(0.1)
    with Side(state=state) as again:
        wait_for_log(again, "template for busybox:1.35 loaded")
        s.check_equal(again.run("echo from a kept template").stdout, b"from a kept template\n")
    with Side("--memory", "512", state=state) as other:
        wait_for_log(other, "template for busybox:1.35 made")
        s.check_equal(other.run("echo smaller").stdout, b"smaller\n")
    for path in glob.glob(state + "/templates/*/state"):
        os.truncate(path, 100)
    with Side(state=state) as damaged:
        wait_for_log(damaged, "template for busybox:1.35 loaded")
        wait_for_log(damaged, "will be made again")
        wait_for_log(damaged, "template for busybox:1.35 made")
        s.check_equal(damaged.run("echo all the same").stdout, b"all the same\n")


@test("templates that were not used for longest make room on disk")
def _(service):
    state = os.path.join(service.directory.name, "small")
    with Side("--templates", "150", state=state) as other:
        wait_for_log(other, "template for busybox:1.35 made")
        s.check_equal(other.run(["gcc", "--version"], image="gcc:14").status, "exited")
        wait_for_log(other, "makes room")
        deadline = time.monotonic() + 60
        while len(os.listdir(state + "/templates")) != 1:  # the log line comes before the removal
            s.check(time.monotonic() < deadline, "templates on disk:", os.listdir(state + "/templates"))
            time.sleep(0.1)
        s.check_equal(other.run("echo hi").stdout, b"hi\n", "a job of the image whose template is gone")


@test("no more VMs are made at a time than --refills says, but a job that waits gets one at once")
def _(service):
    home = os.environ.get("PE_HOME", os.path.join(s.TOP, "build"))
    run_dir = os.path.join(service.directory.name, "run")
    with open(os.path.join(home, "images", "names", "busybox:1.35.json"), "rb") as file:
        entry = hashlib.sha256(file.read()).hexdigest().encode() + b"\0"
    with Side("--refills", "1", "--run-dir", run_dir) as other:
        wait_for_log(other, "is warm")
        links = []
        for _ in range(3):
            link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            link.settimeout(5)
            link.connect(glob.glob(run_dir + "/worker-*/templates")[0])
            links.append(link)

        def say(link, word):
            link.send(struct.pack(MESSAGE, WORDS[word], b"busybox:1.35", b""))

        def answer(link, seconds=5):
            link.settimeout(seconds)
            try:
                word, _, identity = struct.unpack(MESSAGE, link.recv(struct.calcsize(MESSAGE)))
            except TimeoutError:
                return None
            s.check_equal((word, identity), (WORDS["clone"], entry), "the answer, with the identity of its image")
            return "clone"
        say(links[0], "request")
        s.check_equal(answer(links[0]), "clone", "the first")
        say(links[1], "request")
        s.check_equal(answer(links[1], 0.5), None, "the second, while the first is at it")
        say(links[2], "request now")
        s.check_equal(answer(links[2]), "clone", "one for a job")
        say(links[2], "release")
        say(links[0], "release")
        s.check_equal(answer(links[1]), "clone", "the second, then")
        links[1].close()  # dies with the permission
        say(links[0], "request")
        s.check_equal(answer(links[0]), "clone", "after the death of one that had the permission")
        for link in links:
            link.close()
    shutil.rmtree(run_dir, ignore_errors=True)


@test("the worker says which engine it uses, and why none of the better ones")
def _(service):
    log = service.read_log()
    s.check("qemu+" in log and "not cloud-hypervisor+kvm+snapshot" in log, log[:2000])
    with Side("--vmm", "qemu+tcg+boot") as other:
        wait_for_log(other, "qemu+tcg+boot (asked for)")
        s.check_equal(other.run("echo booted").stdout, b"booted\n")
        s.check(not os.listdir(os.path.join(other.directory.name, "state", "templates")), "templates of an engine that boots")


@test("every job reports its steps, and the worker keeps histograms of them")
def _(service):
    path = os.path.join(service.directory.name, "metrics.prom")
    with Side("--metrics-file", path) as other:
        wait_for_log(other, "is warm")
        steps = other.run("sleep 0.2").result["phases_us"]
        s.check_equal(list(steps), "spawn restore ready input go exec program output parse".split())
        s.check(all(steps[step] > 0 for step in steps), "a step took no time at all:", steps)
        s.check(200000 <= steps["program"] < 60e6, "program", steps)
        other.run("exit 3")
    with open(path) as file:
        text = file.read()
    s.check('pe_worker_jobs_total{status="exited"} 2\n' in text, text[:400])
    s.check('pe_worker_step_seconds_count{step="program"} 2\n' in text, text[-400:])
    s.check('pe_worker_step_seconds_bucket{step="program",le="0.1"} 1\n' in text or
            'pe_worker_step_seconds_bucket{step="program",le="0.25"} 1\n' in text or
            'pe_worker_step_seconds_bucket{step="program",le="+Inf"} 2\n' in text, text[-3000:])


@test("each slot's VMM runs as a user of its own, with no privileges")
def _(service):
    service.run("echo hi")
    deadline = time.monotonic() + 30
    while len(service.vmm_pids()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    users, pids = set(), service.vmm_pids()
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status.read().splitlines())
        s.check_equal(int(fields["CapEff"], 16), 0, "capabilities of a VMM")
        s.check_equal(fields["NoNewPrivs"].strip(), "1")
        users.add(fields["Uid"].split()[0])
    s.check("0" not in users and len(users) == len(pids) >= 2, users, pids)
