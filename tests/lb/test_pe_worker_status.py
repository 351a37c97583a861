# SPDX-License-Identifier: Apache-2.0
"""What `pe-worker status` prints for people, of answers of a stand-in for a worker."""
import json
import socket
import subprocess
import threading

import pytest

from fixtures.paths import program

WORKER = {
    "name": "den",
    "state": "working",
    "since": "2026-11-27T10:00:00Z",
    "reason": "",
    "pid": 7,
    "started": "2026-11-27T10:00:00Z",
    "engine": "uml+boot",
    "balancers": [],
    "slots": [{"state": "ready"}],
    "jobs": {"done": 1, "failed": 0},
    "cpu_s_today": 1.5,
    "images": ["busybox:1.35"],
    "last_problem": None,
}


@pytest.fixture
def said(tmp_path):
    """A function: what is printed for a worker with these members."""
    (tmp_path / "worker-7").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "worker-7/status"))
    listener.listen()

    def answer(members):
        client, _ = listener.accept()
        with client:
            client.sendall(json.dumps({**WORKER, **members}).encode())

    def ask(**members):
        thread = threading.Thread(target=answer, args=(members,))
        thread.start()
        command = [program("pe-worker"), "status", "--run-dir", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        thread.join()
        return done.stdout

    yield ask
    listener.close()


def test_one_thing_and_several_things_have_names_of_their_own(said):
    one = said()
    assert "\n  1 slot: 1 ready\n" in one and "\n  1 image: busybox:1.35\n" in one
    assert "\n  1 job since the start; the VM failed in 0 of them\n" in one
    several = said(
        slots=[{"state": "ready"}, {"state": "running"}],
        images=["a:1", "b:1"],
        jobs={"done": 2, "failed": 1},
    )
    assert "\n  2 slots: 1 running, 1 ready\n" in several and "\n  2 images: a:1, b:1\n" in several
    assert "\n  2 jobs since the start; the VM failed in 1 of them\n" in several


def test_the_reason_for_the_engine_is_printed_in_short_lines(said):
    reason = "uml+boot; " + "not qemu+kvm+boot: there is no /dev/kvm; " * 9
    lines = said(engine=reason.strip()).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("  engine: uml+boot; not"))
    last = next(i for i, line in enumerate(lines) if line.startswith("  1 slot"))
    assert last - first > 3 and all(len(line) <= 80 for line in lines[first:last])
    assert all(line.startswith("    not") or line[4] != " " for line in lines[first + 1 : last])
    assert " ".join(line.strip() for line in lines[first:last]) == "engine: " + reason.strip()


def test_what_a_terminal_would_obey_is_not_printed(said):
    printed = said(engine="uml \x1b[2J", name="den\x07")
    assert "\x1b" not in printed and "\x07" not in printed and "engine: uml ?" in printed
