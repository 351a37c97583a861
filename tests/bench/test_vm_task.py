# SPDX-License-Identifier: Apache-2.0
"""pe-vm task and pe-vm template: one VM for one job, without a balancer."""
import json
import os
import subprocess

import pytest

from fixtures import engine, processes
from fixtures.confined import AS_NOBODY
from fixtures.paths import program
from fixtures.pe_bench import start_pe_bench
from fixtures.waiting import eventually

VM = ["--engine", engine.NAME, "--image", "busybox:1.35"]


def task(*arguments, command="task", before=(), **more):
    return subprocess.run(
        [*before, program("pe-vm"), command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def report(*arguments, **more):
    done = task(*VM, "--json", *arguments, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def vms_below(pid):
    """The processes of VMs: what is below pe-vm processes."""
    return {one for one in processes.descendants(pid) if processes.command_name(one) != "pe-vm"}


def test_a_job_gets_its_files_and_standard_input_and_its_streams_are_in_the_report(tmp_path):
    (tmp_path / "data").write_text("of the file\n")
    (tmp_path / "given").write_bytes(b"of \xff stdin\n")
    said = report(
        "--stdin",
        tmp_path / "given",
        tmp_path / "data",
        "--",
        "sh",
        "-c",
        "cat data; cat; ls >&2; exit 3",
    )
    assert said["stdout"] == "of the file\nof \N{REPLACEMENT CHARACTER} stdin\n"
    assert said["stderr"] == "data\ngiven\n"
    assert (said["status"], said["exit_code"], said["engine"]) == ("exited", 3, engine.NAME)


def test_phases_that_the_engine_does_not_have_are_null_and_have_a_reason():
    said = report("--", "true")
    missing = {name for name, us in said["host_us"].items() if us is None}
    assert missing == set(said["missing"]) and all(said["missing"].values())
    assert said["clone"] == engine.has("snapshots") == ("kernel" in missing)
    assert said["host_us"]["ready"] > 0 and said["guest_us"]["exec"] > 0


def test_without_json_the_streams_are_those_of_the_program_and_so_is_the_exit_status():
    done = task(*VM, "--cold", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert done.stderr.startswith("err\n") and "total" in done.stderr
    assert task(*VM, "--cold", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_what_is_wrong_with_a_task_is_said_in_one_line():
    wrong = {
        "--image is missing": ["--engine", "uml+boot"],
        "there is no image 'no:such'": ["--engine", "uml+boot", "--image", "no:such"],
        "--cpus must be between": [*VM, "--cpus", "0"],
        "User Mode Linux has one CPU": [
            "--engine",
            "uml+boot",
            "--image",
            "busybox:1.35",
            "--cpus",
            "2",
        ],
        "the engine uml+boot has no snapshots": [
            "--engine",
            "uml+boot",
            "--image",
            "busybox:1.35",
            "--template",
            "a,b",
        ],
    }
    for message, arguments in wrong.items():
        done = task(*arguments, "--", "true")
        assert done.returncode in (1, 2) and message in done.stderr, done
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.fixture(name="held")
def fixture_held():
    """A held VM: its pe-vm, after it has said that the VM is ready."""
    with subprocess.Popen(
        [program("pe-vm"), "task", *VM, "--cold", "--hold", "--json", "--", "cat", "/proc/uptime"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as held:
        said = json.loads(held.stdout.readline())
        assert said["state"] == "ready" and processes.is_running(said["vmm_pid"])
        yield held
        processes.end(held)


def test_a_held_vm_runs_its_job_when_it_is_told_to(held):
    held.stdin.write("\n")
    held.stdin.flush()
    assert json.loads(held.stdout.readline())["status"] == "exited"
    assert held.wait() == 0


def test_a_held_vm_ends_when_nobody_can_tell_it_anything_any_more(held):
    vms = vms_below(held.pid)
    held.stdin.close()
    assert held.wait() == 1
    assert vms and not any(map(processes.is_running, vms))


def test_a_signal_ends_the_vm_and_removes_its_folder(held):
    vms, folder = vms_below(held.pid), f"/run/program-explorer/worker-{held.pid}"
    assert os.path.isdir(folder)
    held.terminate()
    assert held.wait() == 1
    assert vms and not any(map(processes.is_running, vms))
    assert not os.path.exists(folder)


def test_a_vm_needs_no_root(tmp_path):
    """The folder of the user is made, and the VM works."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    tmp_path.chmod(0o755)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    said = report("--cold", "--", "echo", "hi", before=AS_NOBODY, env=environment)
    assert said["stdout"] == "hi\n"
    assert not [
        name for name in os.listdir(folder / "program-explorer") if name.startswith("worker-")
    ]


@pytest.mark.only_with("snapshots", "a template is a snapshot")
def test_clones_of_one_template_need_no_template_of_their_own():
    with subprocess.Popen(
        [program("pe-vm"), "template", *VM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as keeper:
        files = json.loads(keeper.stdout.readline())["template"]
        said = report("--template", files, "--", "echo", "hi")
        assert said["clone"] and said["host_us"]["template"] is None and said["stdout"] == "hi\n"
        keeper.stdin.close()
        assert keeper.wait() == 0


def test_no_vm_outlives_a_pe_bench_that_is_killed(tmp_path):
    file = tmp_path / "result.json"
    options = (
        "--max",
        "2",
        "--linear",
        "2",
        "--cooldown",
        "0",
        "--engine",
        engine.NAME,
        "--output",
        file,
    )
    running = start_pe_bench("scaling", *options, "--", "sleep", "60")
    eventually(lambda: vms_below(running.pid), "there is a VM")
    below = processes.descendants(running.pid)
    processes.kill(running)
    processes.wait_until_gone(below, "the VMs of a pe-bench that was killed")
