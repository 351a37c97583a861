"""What a scenario has in the outer VM: a balancer and a worker of its own, and a /dev/kvm that it may spoil."""
import os
import re
import stat
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "e2e"))

import service as s  # noqa: E402

HELLO_SECONDS = 420  # the worker may first try out VMs that are given up
JOB_SECONDS = 400  # twice emulated and on a busy host; an idle one takes a fifth
KVM, KVM_GROUP, KVM_NUMBER = "/dev/kvm", 104, (10, 232)

SCENARIOS = []  # (sentence, lane, function)
NOTHING_LEFT = {lane: f"when the {lane.upper()} workers have ended, no VMM, file or shared memory of them remains"
                for lane in ("kvm", "tcg")}


def scenario(sentence, lane="kvm"):
    """Each lane has an outer VM, in which its scenarios run one after another: what is emulated twice takes a minute."""
    def add(function):
        SCENARIOS.append((sentence, lane, function))
        return function
    return add


class Host(s.Service):
    """A balancer and a worker with these arguments; a `with` block says how long."""

    def __init__(self, *worker_args, slots=1):
        super().__init__(slots=slots, worker_args=worker_args)
        self.worker_args.append("--warm=busybox:1.35")
        if not any(arg.startswith("--state") for arg in worker_args):
            self.worker_args += ["--state", os.path.join(self.directory.name, "state")]
        if "PE_CLOUD_HYPERVISOR" in os.environ:
            self.worker_args += ["--cloud-hypervisor", os.environ["PE_CLOUD_HYPERVISOR"]]

    def __enter__(self):
        try:
            self.start()
        except BaseException as error:
            self.fail(error)
        return self

    def __exit__(self, kind, error, _):
        if error:
            self.fail(error)
        vmms = self.vmm_pids()
        self.stop()
        s.check(s.gone(vmms), "VMMs outlive their worker:", vmms)

    def fail(self, error):
        """End, and add the log's end to what went wrong."""
        log = self.read_log()
        self.stop()
        raise s.Failure(f"{type(error).__name__}: {error}\n" + "\n".join(log.splitlines()[-20:])) from error

    def start_worker(self):
        self.worker = self.spawn(s.program("pe-worker"), "--server", f"http://127.0.0.1:{self.port}", "--slots", str(self.slots),
                                 *self.worker_args)
        deadline = time.monotonic() + HELLO_SECONDS
        while (health := self.health())["hosts"] < 1 or health["slots"] < self.slots:
            s.check(self.worker.poll() is None, "the worker ended with status", self.worker.returncode)
            s.check(time.monotonic() < deadline, f"the worker did not say hello in {HELLO_SECONDS} s")
            time.sleep(0.1)

    def post(self, *args, timeout=JOB_SECONDS, **options):
        return super().post(*args, timeout=timeout, **options)

    # ---- what it says and does ----

    def wait_for_log(self, program, pattern, seconds=10):
        """A message of this program in which `pattern` (a regular expression) is found."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.read_log().splitlines():
                if f" prog={program} " in line and re.search(pattern, line.split(' msg="')[-1]):
                    return line
            s.check(time.monotonic() < deadline, f"{program} never says {pattern!r}")
            time.sleep(0.1)

    def expect_choice(self, pattern):
        """The worker says so in its log, and the balancer heard it in `hello`."""
        self.wait_for_log("pe-worker", pattern)
        self.wait_for_log("pe-lb", "^host .*" + pattern)

    def expect_accel(self, name):
        """The VMs that wait for jobs truly run that way."""
        deadline = time.monotonic() + 60
        while not (self.vmm_pids() and all(uses_accel(pid, name) for pid in self.vmm_pids())):
            s.check(time.monotonic() < deadline, f"VMMs that do not use {name}:", *map(command_line, self.vmm_pids()))
            time.sleep(0.1)

    def expect_job(self):
        """Files in, files out, both streams and the exit code."""
        outcome = self.run("cat in/name; echo trouble >&2; echo done >/output/made; exit 7", files=[("in/name", "hello\n")])
        got = (outcome.status, outcome.exit_code, outcome.stdout, outcome.stderr, outcome.files)
        s.check_equal(got, ("exited", 7, b"hello\n", b"trouble\n", {"made": b"done\n"}), "the job's outcome")
        return outcome


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().replace("\0", " ").strip()
    except OSError:
        return ""


def uses_accel(pid, name):
    """Under KVM a VMM holds a virtual CPU of the kernel, whatever its command line says."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    has_vcpu = any("kvm-vcpu" in link for link in links)
    return has_vcpu if name == "kvm" else not has_vcpu and f" -accel {name}" in command_line(pid)


def worker_refuses(*args):
    """A worker that cannot start with these arguments: what it says."""
    done = subprocess.run([s.program("pe-worker"), "--server", "unix:/tmp/nobody", *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=HELLO_SECONDS)
    s.check(done.returncode != 0, "the worker started:", done.stdout)
    return done.stdout


class kvm_device:
    """/dev/kvm as Debian's udev makes it, and as a scenario changes it: no node, or other rights."""

    def __init__(self, mode=None, present=True):
        self.mode, self.present = mode, present

    def __enter__(self):
        if not self.present:
            os.unlink(KVM)
        elif self.mode is not None:
            os.chmod(KVM, self.mode)

    def __exit__(self, *_):
        make_kvm_device()


def make_kvm_device():
    if not os.path.exists(KVM):
        os.mknod(KVM, 0o660 | stat.S_IFCHR, os.makedev(*KVM_NUMBER))
    os.chown(KVM, 0, KVM_GROUP)
    os.chmod(KVM, 0o660)
