# SPDX-License-Identifier: Apache-2.0
"""Output files keep their bit for execution, their times and their folders in every form of a result."""
import base64
import os
import subprocess

from fixtures.http_client import SAME, read_cpio
from fixtures.service import Job
from fixtures.waiting import Background

FILES = [("run.sh", b"#!"), ("sub/data", b"x"), ("old", b"")]
ATTRIBUTES = {"run.sh": {"mode": 0o755, "mtime": 1000000000}, "sub/data": {"mode": 0o600, "mtime": 4294967295}}
FOLDERS = [
    {"name": "empty", "mode": 0o700, "mtime": 1000000001},
    {"name": "sub", "mode": 0o755, "mtime": 1000000002},
    {"name": "%FF", "mode": 0o755},
]


def result_of(balancer, slot, accept, **result):
    pending = Background(balancer.post, accept=accept)
    slot.answer(slot.take_job()[0], files=FILES, **result)
    return pending.done()


def all_forms(balancer, **result):
    _, slot = balancer.worker()
    return [
        result_of(balancer, slot, accept, **result)
        for accept in ("multipart/form-data", "application/json", "application/x-cpio")
    ]


def test_attributes_and_folders_are_in_every_form(balancer):
    form, document, cpio = all_forms(balancer, attributes=ATTRIBUTES, folders=FOLDERS)
    job = Job(form)
    files = [{"mode": "0755", "mtime": 1000000000}, {"mode": "0600", "mtime": 4294967295}, {"mode": "0644"}]
    folders = [{"mode": "0700", "mtime": 1000000001}, {"mode": "0755", "mtime": 1000000002}, {"mode": "0755"}]
    assert list(job.files) == ["run.sh", "sub/data", "old"]
    assert job.fields["files"] == files
    assert job.folders == ["empty", "sub", "\udcff"]
    assert job.fields["folders"] == folders

    body = document.json()
    assert [{key: file[key] for key in ("mode", "mtime") if key in file} for file in body["files"]] == files
    strange = {"name": "\ufffd", "name_base64": base64.b64encode(b"\xff").decode()}
    names = [{"name": "empty"}, {"name": "sub"}, strange]
    assert body["folders"] == [{**name, **folder} for name, folder in zip(names, folders)]

    entries = {name: (oct(mode), mtime) for name, mode, mtime in cpio_attributes(cpio.body)}
    assert entries[b"files/run.sh"] == ("0o100755", 1000000000)
    assert entries[b"files/sub/data"] == ("0o100600", 4294967295)
    assert entries[b"files/empty"] == ("0o40700", 1000000001)
    assert list(entries)[-3:] == [b"files/empty", b"files/sub", b"files/\xff"], "folders are last"


def test_cpio_restores_files_and_folders(balancer, tmp_path):
    _, slot = balancer.worker()
    cpio = result_of(balancer, slot, "application/x-cpio", attributes=ATTRIBUTES, folders=FOLDERS)
    subprocess.run(["cpio", "-idm", "--quiet"], input=cpio.body, cwd=tmp_path, check=True)
    assert os.access(tmp_path / "files/run.sh", os.X_OK)
    times = {name: int((tmp_path / "files" / name).stat().st_mtime) for name in ("run.sh", "empty", "sub")}
    assert times == {"run.sh": 1000000000, "empty": 1000000001, "sub": 1000000002}


def cpio_attributes(archive):
    """(name, mode, time) of each entry of a newc archive."""
    for name, mode, _ in read_cpio(archive):
        header = archive.index(name + b"\0") - 110
        yield name, mode, int(archive[header + 46 : header + 54], 16)


def test_a_worker_that_does_not_send_attributes_is_understood(balancer):
    form, document, cpio = all_forms(balancer)
    assert Job(form).fields["files"] == [{"mode": "0644"}] * 3 and Job(form).folders == []
    assert document.json()["folders"] == []
    assert [mode for _, mode, _ in read_cpio(cpio.body)][3:] == [0o100644] * 3


def test_a_stored_result_keeps_attributes_and_folders(start_balancer, tmp_path):
    answers = []
    for _ in range(2):
        balancer = start_balancer("--cache-dir", f"{tmp_path}/cache")
        _, slot = balancer.worker()
        pending = Background(balancer.post, job=SAME, accept="application/json")
        if not answers:
            slot.answer(slot.take_job()[0], files=FILES, attributes=ATTRIBUTES, folders=FOLDERS)
        answers.append(pending.done().json())
        balancer.end()
    made, stored = answers
    assert stored["cached"]
    assert (stored["files"], stored["folders"]) == (made["files"], made["folders"])
