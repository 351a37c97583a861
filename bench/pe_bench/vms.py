# SPDX-License-Identifier: Apache-2.0
"""VMs for one job each, made by `pe-vm task`, one or many at once.

Everything happens in the main thread: a pe-vm process is held at its `ready` line until it is told
to go on, and select(2) finds out which of them has something to say.
"""
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time

from fixtures.paths import program

from . import processes
from .errors import BenchError

READY_S = 300  # a VM that is not ready after that has failed, also on a busy machine
JOB_GRACE_S = 60  # what pe-vm may take beyond the time limit of a job
PHASE_UNIT = "ms"


def add_vm_arguments(parser, several_engines):
    """The options of VMs. `several_engines`: --engine may be given several times."""
    more = {"action": "append"} if several_engines else {"default": "auto"}
    again = "; may be given several times" if several_engines else ""
    parser.add_argument(
        "--engine", metavar="ENGINE", help=f"auto, uml, qemu, or a full name{again}", **more
    )
    parser.add_argument(
        "--image", default="busybox:1.35", help="the image of the job (default busybox:1.35)"
    )
    parser.add_argument(
        "--memory", type=int, default=1024, metavar="MIB", help="of a job (default 1024)"
    )
    parser.add_argument("--cpus", type=int, default=1, metavar="N", help="of a VM (default 1)")
    parser.add_argument(
        "--timeout", type=int, default=60000, metavar="MS", help="of a job (default 60000)"
    )
    parser.add_argument(
        "--settle",
        type=int,
        metavar="MS",
        help="rest of a VM before its job (default: 300; 1000 under emulation)",
    )
    parser.add_argument(
        "--store", metavar="DIR", help="image store (default: images/ of the build)"
    )
    parser.add_argument(
        "--file", action="append", default=[], metavar="FILE", help="for the job; repeatable"
    )
    parser.set_defaults(cmd=[])
    parser.epilog = (
        "The job's command is what stands after --, as in: ... -- echo hi (which is the default)."
    )


class Task:
    """A pe-vm process. `ready` and `ended` are the objects that it printed, and `failure` says why
    it failed."""

    def __init__(self, arguments, held):
        self.ready, self.ended, self.failure = None, None, None
        self.buffer, self.began = b"", time.monotonic()
        self.ready_at = self.ended_at = None
        self.errors = tempfile.TemporaryFile()  # closed in close()
        self.process = subprocess.Popen(  # ended in close()
            [program("pe-vm"), *arguments],
            stdin=subprocess.PIPE if held else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
            preexec_fn=processes.die_with_parent,
        )

    def go(self):
        """Let a held VM run its job."""
        try:
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and its failure is read from its output

    def read(self):
        """Read what there is, without waiting. False when pe-vm has ended."""
        data = os.read(self.process.stdout.fileno(), 1 << 20)
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.on_line(json.loads(line))
        if not data:
            self.on_end()
        return bool(data)

    def on_line(self, said):
        if said["state"] == "ended":
            self.ended, self.ended_at = said, time.monotonic()
        else:
            self.ready, self.ready_at = said, time.monotonic()

    def on_end(self):
        status = self.process.wait()
        if self.ended is None and self.failure is None:
            self.failure = self.reason(status)

    def reason(self, status):
        """The last line that pe-vm wrote, which is its error."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        if lines:
            return lines[-1].removeprefix("pe-vm: ")[:300]
        return f"pe-vm ended with status {status}"

    def fail(self, reason):
        self.failure = self.failure or reason
        self.end()

    def end(self):
        """Ask it to end, which ends its VM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def close(self):
        self.end()
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(JOB_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def vmm_pids(self):
        """The processes of its VM."""
        return (
            processes.with_descendants([self.ready["vmm_pid"]])
            if self.ready and not self.failure
            else []
        )


def wait_for(tasks, reached, seconds, late):
    """Wait until `reached` is true for each task, or it has failed. Tasks that take longer than
    `seconds` fail with the reason `late`."""
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for task in tasks:
            if not reached(task) and not task.failure:
                selector.register(task.process.stdout, selectors.EVENT_READ, task)
        while selector.get_map():
            left = deadline - time.monotonic()
            for key, _ in selector.select(max(left, 0)):
                task = key.data
                if not task.read() or reached(task):
                    selector.unregister(key.fileobj)
            if left <= 0:
                for key in list(selector.get_map().values()):
                    key.data.fail(late)
                return


class Vms:
    """Makes tasks of one engine, with the options of add_vm_arguments. If the engine has snapshots,
    all clones are of one template, so that they share its memory."""

    def __init__(self, run, engine):
        options = run.options
        self.options, self.timeout_s = options, options.timeout / 1000
        self.common = [
            "--image",
            options.image,
            "--memory",
            str(options.memory),
            "--cpus",
            str(options.cpus),
        ]
        if options.store:
            self.common += ["--store", options.store]
        self.cmd = options.cmd or ["echo", "hi"]
        if not os.path.exists(program("pe-vm")):
            raise BenchError(f"{program('pe-vm')} does not exist; `make` builds it")
        self.engine = self.find_engine(engine) if is_family(engine) else engine
        self.template, self.template_ms = None, None
        if "+snapshot" in self.engine:
            self.keep_template(run)
        settle = 1000 if "+tcg+" in self.engine else 300
        self.settle_ms = settle if options.settle is None else options.settle
        self.labels = {"engine": self.engine, "image": options.image}

    def find_engine(self, name):
        """The full name of the engine that pe-vm chooses."""
        with closing_all(
            [
                Task(
                    ["task", "--engine", name, *self.common, "--cold", "--json", "--", "true"],
                    False,
                )
            ]
        ) as (task,):
            wait_for([task], lambda one: one.ended, READY_S, "it did not end in time")
            if task.failure:
                raise BenchError(f"cannot find out which engine `{name}` means: {task.failure}")
            return task.ended["engine"]

    def keep_template(self, run):
        task = Task(["template", "--engine", self.engine, *self.common], True)
        run.cleanup.callback(task.close)
        wait_for([task], lambda one: one.ready, READY_S, "it did not become ready in time")
        if task.failure:
            raise BenchError(f"cannot make a template with {self.engine}: {task.failure}")
        self.template, self.template_ms = task.ready["template"], task.ready["template_us"] / 1000

    def start(self, held, *more, cmd=None):
        """Start a task, which the caller closes. `more` are further options of pe-vm task."""
        arguments = [
            "task",
            "--engine",
            self.engine,
            *self.common,
            "--json",
            "--timeout",
            str(self.options.timeout),
        ]
        arguments += more
        if held:  # it rests while it is held
            arguments.append("--hold")
        elif "--cold" not in more:
            arguments += ["--settle", str(self.settle_ms)]
        if self.template and "--cold" not in more:
            arguments += ["--template", self.template]
        return Task([*arguments, *self.options.file, "--", *(cmd or self.cmd)], held)

    def await_ready(self, tasks):
        wait_for(
            tasks,
            lambda task: task.ready,
            READY_S,
            "the VM was not ready in time",
        )

    def await_end(self, tasks):
        # pe-vm itself knows when its VM hangs, and says so.
        wait_for(
            tasks,
            lambda task: task.ended,
            READY_S + self.timeout_s + JOB_GRACE_S,
            "pe-vm did not end",
        )


def is_family(engine):
    """Whether a name can mean several engines."""
    return "+snapshot" not in engine and "+boot" not in engine


class closing_all:
    """A context with tasks, which are closed at its end: all are asked to end before the first is
    waited for."""

    def __init__(self, tasks):
        self.tasks = tasks

    def __enter__(self):
        return self.tasks

    def __exit__(self, *_):
        for task in self.tasks:
            task.end()
        for task in self.tasks:
            task.close()


def problem_of(task):
    """Why a task gave no times; None if it did."""
    if task.failure:
        return task.failure
    said = task.ended
    if said["status"] == "timeout":
        return "timeout"
    if said["status"] != "exited":
        return f"the job ended with status {said['status']}"
    return None if said["exit_code"] == 0 else f"the job ended with exit code {said['exit_code']}"


def add_phases(run, task, **labels):
    """Add a sample to the series of each phase of a task, or count its failure in the series
    `total`. Phases that the engine does not have are n/a."""
    problem = problem_of(task)
    if problem:
        run.fail("total", PHASE_UNIT, problem, **labels)
        return
    phases = list(task.ended["host_us"].items())
    phases += [(f"guest {name}", us) for name, us in task.ended["guest_us"].items()]
    for name, us in phases:
        if us is not None:
            run.add(name, PHASE_UNIT, us / 1000, **labels)
        elif name != "template":  # Vms makes it
            run.not_available(name, PHASE_UNIT, task.ended["missing"][name], **labels)
