# SPDX-License-Identifier: Apache-2.0
"""What another user of a worker's host can reach of the worker, while a job runs on it."""
import json
import subprocess

from fixtures import processes
from fixtures.service import Service
from fixtures.waiting import Background

NEIGHBOUR = "65533"  # not the user of any process or file of a worker
TOKEN = "a-token-that-only-the-worker-has"

# Prints what it can read, write, list, connect to, trace or signal.
TRY_EVERYTHING = """
import json, os, socket, stat, sys

def try_to(what, act, *arguments):
    try:
        act(*arguments)
        print(what, *arguments)
    except OSError:
        pass

def connect(path, kind):
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(path)

def visit(path):
    try:
        status = os.lstat(path)
    except PermissionError:
        return
    if stat.S_ISDIR(status.st_mode):
        try_to("list", os.listdir, path)
        try_to("create", os.mkdir, path + "/new")
    elif stat.S_ISSOCK(status.st_mode):
        for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
            try_to("connect", connect, path, kind)
    else:
        for flags in os.O_RDONLY, os.O_WRONLY:
            try_to("open", os.open, path, flags)

def read(path):
    with open(path, "rb") as file:
        if not file.read(1):
            raise OSError("it has ended")

task = json.load(sys.stdin)
for path in task["paths"]:
    visit(path)
for pid in task["pids"]:
    try_to("signal", os.kill, pid, 0)
    try_to("list", os.listdir, f"/proc/{pid}/fd")
    for name in "environ", "mem", "maps":
        try_to("read", read, f"/proc/{pid}/{name}")
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        if task["token"].encode() in file.read():
            print("token of", pid)
print("tried", len(task["paths"]), len(task["pids"]))
"""


def paths_below(folder):
    """The paths of everything in a folder, which only their owner can find out."""
    return subprocess.check_output(["find", folder], text=True).splitlines()


def test_another_user_of_the_host_reaches_nothing_of_a_worker(tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    options = ("--token-file", str(token))
    service = Service(*options, slots=1, balancer_options=options)
    try:
        job = Background(service.run, "echo secret > /work/file; sleep 5")
        service.wait_until_running()
        worker = service.worker
        pids = {worker.process.pid, *processes.descendants(worker.process.pid)}
        paths = [path for top in (worker.run_dir, worker.state) for path in paths_below(top)]
        assert any(path.endswith("/templates") for path in paths), "the socket of the templates"
        done = subprocess.run(
            ["setpriv", f"--reuid={NEIGHBOUR}", f"--regid={NEIGHBOUR}", "--clear-groups"]
            + ["/usr/bin/python3", "-c", TRY_EVERYTHING],
            input=json.dumps({"paths": paths, "pids": sorted(pids), "token": TOKEN}),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        *reached, tried = done.stdout.splitlines()
        assert tried == f"tried {len(paths)} {len(pids)}"
        assert reached == [f"list {worker.state}"], "the names in it are no secret"
        assert job.done().exit_code == 0
    finally:
        service.close()
