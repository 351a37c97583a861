# SPDX-License-Identifier: Apache-2.0
"""deploy/run-example, the last step of `make run`, with stand-ins for pe-run, pe-worker and make: when it
compiles the kernel of User Mode Linux, and what it says."""
import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess

import pytest

from fixtures import processes
from fixtures.paths import TOP
from fixtures.waiting import PATIENCE, eventually

SCRIPT = os.path.join(TOP, "deploy/run-example")
NO_KERNEL = "uml+boot (kernel): User Mode Linux needs a kernel, which `make uml-kernel` compiles: none"
OLD_KERNEL = "uml+boot (kernel): the kernel is too old; `make uml-kernel` compiles one"
NO_PTRACE = "uml+boot (kernel): ptrace(2) is not allowed here"
DOES_NOT_BOOT = "uml+boot (kernel): the VMM ended"

PE_RUN = """#!/bin/sh
echo "$@" >>{folder}/runs
echo "Hello from gcc 14"
exit $(cat {folder}/status)
"""
PE_WORKER = """#!/bin/sh
echo "$@" >>{folder}/questions
if [ -e {folder}/compiled ]; then cat {folder}/report-after; else cat {folder}/report; fi
"""
MAKE = """#!/bin/bash
echo "$@ ${{MAKEFLAGS-without flags}}" >>{folder}/makes
echo "uml kernel: compiled 9 of about 10 files"
. {folder}/compilation
"""


def load():
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("run_example", SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_example", loader))
    loader.exec_module(module)
    return module


def report(engine, isolation, uml=None, kvm="missing", ptrace="ok"):
    """What the doctor prints; `uml` is what it says of User Mode Linux."""
    checks = [
        {"id": "host.kvm", "status": kvm, "text": "KVM: ..."},
        {"id": "host.ptrace", "status": ptrace, "text": "ptrace: ..."},
    ]
    checks += [{"id": "engine.uml+boot", "status": "missing", "text": uml}] if uml else []
    facts = {"engine": engine, "isolation": isolation} if engine else {}
    return json.dumps({"facts": facts, "checks": checks})


class Machine:
    """Stand-ins in a folder, and what they were asked."""

    def __init__(self, folder):
        self.folder = folder
        for name, text in (("pe-run", PE_RUN), ("pe-worker", PE_WORKER), ("make", MAKE)):
            path = folder / name
            path.write_text(text.format(folder=folder))
            path.chmod(0o755)
        self.write("status", "0")
        self.write("report", report("qemu+tcg+snapshot", "emulation", NO_KERNEL))
        self.write("report-after", report("uml+boot", "kernel"))
        self.write("compilation", f"touch {folder}/compiled")
        self.environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "MAKEFLAGS": "-j7"}
        self.environment.pop("KERNEL", None)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def run(self, **more):
        """The exit status and the lines of what `make run` shows, without those of the example."""
        environment = {**self.environment, **more}
        command = [SCRIPT, str(self.folder)]
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        self.errors = done.stderr
        return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("make run: ")]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_after_an_emulated_run_it_compiles_the_kernel_and_runs_the_example_again(machine):
    status, (first, second) = machine.run()
    assert status == 0 and machine.errors == ""
    assert "ran under emulation" in first and "`make uml-kernel` goes on later" in first
    assert machine.lines("makes") == ["--no-print-directory -s uml-kernel without flags"]
    assert machine.lines("runs") == ["--timeout 60 gcc:14 examples/hello.c"] * 2
    assert second.startswith("make run: the engine is now uml+boot: the example took ")
    assert second.endswith(" s under emulation")


def test_a_kernel_that_the_worker_refuses_is_compiled_again(machine):
    machine.write("report", report("qemu+tcg+snapshot", "emulation", OLD_KERNEL))
    assert machine.run()[0] == 0
    assert len(machine.lines("makes")) == 1


@pytest.mark.parametrize(
    "engine, isolation, uml, ptrace",
    [
        ("qemu+kvm+snapshot", "hardware", NO_KERNEL, "ok"),
        ("uml+boot", "kernel", None, "ok"),
        ("qemu+tcg+snapshot", "emulation", NO_KERNEL, "missing"),
        ("qemu+tcg+snapshot", "emulation", NO_PTRACE, "missing"),
        ("qemu+tcg+snapshot", "emulation", DOES_NOT_BOOT, "ok"),
        ("qemu+tcg+snapshot", "emulation", None, "missing"),  # not x86-64
    ],
)
def test_where_the_kernel_would_not_help_it_runs_the_example_and_says_nothing(machine, engine, isolation, uml, ptrace):
    machine.write("report", report(engine, isolation, uml, ptrace=ptrace))
    assert machine.run() == (0, [])
    assert len(machine.lines("runs")) == 1 and machine.lines("makes") == []


def test_a_worker_that_says_nothing_is_no_failure(machine):
    machine.write("report", "")
    assert machine.run() == (0, [])


def test_kernel_no_runs_the_example_only_once(machine):
    assert machine.run(KERNEL="no") == (0, [])
    assert len(machine.lines("runs")) == 1 and machine.lines("makes") == []


def test_a_kernel_that_cannot_be_compiled_is_one_line_with_the_reason_and_no_failure(machine):
    machine.write(
        "compilation", "printf '%s\\n' log 'build-uml-kernel: could not download' 'make: *** Error 1' >&2; exit 2"
    )
    status, (_, said) = machine.run()
    assert status == 0 and machine.errors == ""
    assert said == (
        "make run: the kernel was not compiled: build-uml-kernel: could not download. The example has run; "
        "`make uml-kernel` tries again"
    )
    assert len(machine.lines("runs")) == 1


def test_an_example_that_fails_is_the_failure_of_make_run(machine):
    machine.write("status", "125")
    assert machine.run() == (125, [])
    assert machine.lines("questions") == machine.lines("makes") == []


# ---- beside the other steps ----


def compile_beside(machine, monkeypatch, cpus):
    monkeypatch.setenv("PATH", machine.environment["PATH"])
    module = load()
    monkeypatch.setattr(module, "usable_cpus", lambda: cpus)
    module.compile_beside(str(machine.folder))
    return len(machine.lines("makes"))


def test_with_four_cpus_it_is_compiled_beside_the_other_steps(machine, monkeypatch, capfd):
    machine.write("report", report(None, None, NO_KERNEL))
    assert compile_beside(machine, monkeypatch, 4) == 1
    assert capfd.readouterr() == ("", "")
    assert " --vmm uml --state " in machine.lines("questions")[0], "the worker remembers nothing of it"


def test_it_is_compiled_with_time_that_nothing_else_needs(machine, monkeypatch):
    machine.write("report", report(None, None, NO_KERNEL))
    machine.write("compilation", f"chrt -p $$ >{machine.folder}/policy")
    compile_beside(machine, monkeypatch, 4)
    assert any("SCHED_IDLE" in line for line in machine.lines("policy"))


def test_a_kernel_that_is_ready_while_the_example_runs_is_used_as_well(machine, monkeypatch, capfd):
    module = load()
    monkeypatch.setattr(module, "KERNEL_FILE", f"{machine.folder}/linux")
    machine.write("report", report("uml+boot", "kernel"))
    module.run(str(machine.folder))
    assert len(machine.lines("runs")) == 1, "there was no kernel, and there is none"
    machine.write("runs", "")
    machine.write("pe-run", f"#!/bin/sh\necho run >>{machine.folder}/runs; touch {machine.folder}/linux\n")
    module.run(str(machine.folder))
    assert len(machine.lines("runs")) == 2
    assert "make run: the engine is now uml+boot: " in capfd.readouterr().out


@pytest.mark.parametrize(
    "cpus, kvm, uml, ptrace",
    [
        (3, "missing", NO_KERNEL, "ok"),
        (4, "ok", NO_KERNEL, "ok"),
        (4, "missing", NO_KERNEL, "missing"),
        (4, "missing", DOES_NOT_BOOT, "ok"),
    ],
)
def test_nothing_is_compiled_beside_where_it_would_not_help(machine, monkeypatch, cpus, kvm, uml, ptrace):
    machine.write("report", report(None, None, uml, kvm=kvm, ptrace=ptrace))
    assert compile_beside(machine, monkeypatch, cpus) == 0


def test_the_limits_of_all_cgroups_count(tmp_path):
    def limit(folder, text):
        os.makedirs(f"{tmp_path}/sys/fs/cgroup/{folder}", exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / folder / "cpu.max").write_text(text)

    usable_cpus, all_of_them = load().usable_cpus, len(os.sched_getaffinity(0))
    assert usable_cpus(f"{tmp_path}/") == all_of_them, "without cgroups"
    os.makedirs(tmp_path / "proc/self")
    (tmp_path / "proc/self/cgroup").write_text("0::/user/session\n")
    limit("user/session", "max 100000\n")
    assert usable_cpus(f"{tmp_path}/") == all_of_them
    limit("user", "150000 100000\n")
    assert usable_cpus(f"{tmp_path}/") == 1
    limit("user", "50000 100000\n")
    assert usable_cpus(f"{tmp_path}/") == 1


# ---- its end ----


def start_long_compilation(machine, *command):
    """A command that compiles for long, and the process that stands for a compiler."""
    machine.write("compilation", f"sleep 1000 & echo $! >{machine.folder}/compiler; wait")
    process = subprocess.Popen(command, cwd=TOP, env=machine.environment, stdout=subprocess.DEVNULL)
    eventually(lambda: machine.lines("compiler"), "it compiles")
    return process, int(machine.lines("compiler")[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_compilation(machine, number):
    process, compiler = start_long_compilation(machine, SCRIPT, str(machine.folder))
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130
    eventually(lambda: not processes.is_running(compiler), "the compiler ends")


def test_a_signal_ends_the_example_which_ends_by_itself(machine):
    machine.write("pe-run", f"#!/bin/bash\ntrap 'sleep 1; echo done >>{machine.folder}/runs; exit' TERM\n")
    with open(machine.folder / "pe-run", "a", encoding="ascii") as script:
        script.write(f"echo began >>{machine.folder}/runs; while :; do sleep 0.1; done\n")
    process = subprocess.Popen([SCRIPT, str(machine.folder)], cwd=TOP, stdout=subprocess.DEVNULL)
    eventually(lambda: machine.lines("runs"), "the example runs")
    process.terminate()
    assert process.wait(PATIENCE) == 130
    assert machine.lines("runs") == ["began", "done"]


def test_a_make_that_is_killed_leaves_no_compilation(machine):
    makefile = machine.folder / "Makefile"
    with open(os.path.join(TOP, "Makefile"), encoding="utf-8") as file:
        (recipe,) = [line for line in file if "deploy/run-example $(BIN)" in line]
    makefile.write_text(f"BIN := {machine.folder}\nSHELL := /bin/bash\nrun:\n{recipe}")
    process, compiler = start_long_compilation(machine, "/usr/bin/make", "-f", str(makefile), "run")
    below = processes.descendants(process.pid)
    assert compiler in below
    process.kill()
    process.wait(PATIENCE)
    eventually(lambda: not any(map(processes.is_running, below)), "the compiler and what started it end")
