# SPDX-License-Identifier: Apache-2.0
"""What a scenario has in the outer VM: a service of its own, and a /dev/kvm that it may spoil."""
import os
import re
import stat
import subprocess

from fixtures import processes
from fixtures.paths import program
from fixtures.service import Service
from fixtures.waiting import PATIENCE, eventually

LONG = 10 * PATIENCE  # everything is emulated twice, and the machine may be busy
# How a worker says that an engine did not answer in time.
TIMEOUTS = ("did not reach its init within", "in time", "does not answer", "did not finish")
KVM, KVM_GROUP, KVM_NUMBER = "/dev/kvm", 104, (10, 232)


def real_cloud_hypervisor():
    """The path of the cloud-hypervisor that the caller named; None without one. It is known only when
    the outer VM has installed it, so nobody may ask for it while modules are imported."""
    return os.environ.get("PE_CLOUD_HYPERVISOR")


def best_engine():
    """The name of the engine that a worker chooses where KVM works."""
    return f"{'cloud-hypervisor' if real_cloud_hypervisor() else 'qemu'}+kvm+snapshot"


def lane(name):
    """Run a scenario in this lane instead of "kvm". Each lane has an outer VM of its own, in which
    its scenarios run one after another."""

    def mark(function):
        function.lane = name
        return function

    return mark


def lane_of(function):
    return getattr(function, "lane", "kvm")


class Host(Service):
    """A service whose worker has these options; ends with its `with` block."""

    request_seconds = LONG
    start_attempts = 5

    def __init__(self, *worker_options, slots=1):
        if real_cloud_hypervisor():
            worker_options = (*worker_options, "--cloud-hypervisor", real_cloud_hypervisor())
        super().__init__(*worker_options, slots=slots)

    def start_worker(self):
        """On a busy machine, a VM that is emulated twice may be too slow for the worker, which
        tries out its engines. Then start the worker again."""
        for attempt in range(1, self.start_attempts + 1):
            try:
                return super().start_worker()
            except AssertionError as error:
                too_slow = any(words in str(error) for words in TIMEOUTS)
                if attempt == self.start_attempts or not too_slow:
                    raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if not error:
            self.end()
            return
        log = self.log()
        self.close()
        end = "\n".join(log.splitlines()[-20:])
        raise AssertionError(f"{type(error).__name__}: {error}\n{end}") from error

    # ---- what the worker logs and does ----

    def wait_for_log(self, program_name, pattern, seconds=LONG):
        """Wait for a message of this program in which the regular expression is found."""

        def found():
            for line in self.log().splitlines():
                message = line.split(' msg="')[-1]
                if f" prog={program_name} " in line and re.search(pattern, message):
                    return line

        return eventually(found, f"{program_name} logs {pattern!r}", seconds)

    def expect_choice(self, pattern):
        """The worker logs its choice, and the balancer was told of it in `hello`."""
        self.wait_for_log("pe-worker", pattern)
        self.wait_for_log("pe-lb", "^worker .*" + pattern)

    def expect_accel(self, name):
        """The VMs that wait for jobs really run that way."""

        def all_use_it():
            vmms = self.worker.vmms()
            return vmms and all(uses_accel(pid, name) for pid in vmms)

        eventually(
            all_use_it,
            lambda: f"VMMs use {name}: {list(map(processes.command_line, self.worker.vmms()))}",
            LONG,
        )

    def expect_job(self):
        """Files in, files out, both streams and the exit code."""
        script = "cat in/name; echo trouble >&2; echo done >/output/made; exit 7"
        job = self.run(script, files=[("in/name", "hello\n")])
        got = (job.status, job.exit_code, job.stdout, job.stderr, job.files)
        assert got == ("exited", 7, b"hello\n", b"trouble\n", {"made": b"done\n"}), got
        return job


def uses_accel(pid, name):
    """Under KVM a VMM holds a virtual CPU of the kernel, independent of its command line."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    has_vcpu = any("kvm-vcpu" in link for link in links)
    return (
        has_vcpu
        if name == "kvm"
        else not has_vcpu and f" -accel {name}" in processes.command_line(pid)
    )


def worker_refuses(*options):
    """Start a worker that cannot run with these options, and return what it prints."""
    argv = [program("pe-worker"), "--server", "unix:/tmp/nobody", *options]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG
    )
    assert done.returncode != 0, f"the worker started: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class kvm_device:
    """/dev/kvm as Debian's udev makes it, and as a scenario changes it: no node, or other
    rights."""

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
