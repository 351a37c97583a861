# SPDX-License-Identifier: Apache-2.0
"""What a job finds of names, directories and a home, also if its image has none of it."""
import io
import json
import os
import tarfile

import pytest

from fixtures.oci_layout import Layout, zstd
from fixtures.paths import IMAGES
from fixtures.pe_image import make_tar, member, run

LEFT_OUT = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "run/lock", "var/tmp", "var/lock", "tmp")

RESOLVE = """
import asyncio, http.server, os, socket
print(sorted(found[4][0] for found in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)))
print(socket.gethostbyname("localhost"), socket.gethostbyname(socket.gethostname()), socket.getfqdn())
http.server.HTTPServer(("localhost", 0), None).server_close()
async def serve():
    server = await asyncio.start_server(print, "localhost", 0)
    print(len(server.sockets) > 0)
asyncio.run(serve())
print(open("/etc/hostname").read().strip(), os.path.getsize("/etc/resolv.conf") > 0)
"""
RESOLVED = b"127.0.0.1 127.0.1.1 pe\nTrue\npe True\n"


def is_left_out(name):
    if name.startswith("usr/share/"):  # only to make the image smaller
        return True
    return any(name == path or name.startswith(path + "/") for path in LEFT_OUT)


def bare_tar():
    """The files of python:3 without what container runtimes add. Its /tmp is a link to a missing folder."""
    exported = run("export", "--store", IMAGES, "python:3", "-").stdout
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(exported), errors="surrogateescape") as all_of_it:
        with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as bare:
            for info in all_of_it:
                if not is_left_out(info.name):
                    bare.addfile(info, all_of_it.extractfile(info) if info.isreg() else None)
            link = tarfile.TarInfo("tmp")
            link.type, link.linkname = tarfile.SYMTYPE, "var/volatile/tmp"
            bare.addfile(link)
    return out.getvalue()


@pytest.fixture(scope="module")
def bare_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    store, busybox = f"{folder}/store", run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    for name, tar, user in (("bare:1", bare_tar(), "0"), ("stranger:1", busybox, "1234:5678")):
        layout = Layout(f"{folder}/{name}").add([tar], {"User": user}, compress=zstd, kind="zstd")
        done = run("import", "--store", store, "--name", name, layout.path)
        assert done.returncode == 0, done.stderr.decode()
    return store


def test_an_image_without_names_and_directories_gets_them_from_the_runtime(start_service, bare_store):
    service = start_service(slots=1, store=bare_store)
    job = service.run(["python3", "-c", RESOLVE], image="bare:1")
    assert (job.stdout, job.stderr) == (b"['127.0.0.1']\n" + RESOLVED, b"")
    folders = "/tmp/. /var/tmp /run/lock"
    job = service.run(f"stat -c '%a %F' {folders}; touch /tmp/a /var/tmp/a /run/lock/a", image="bare:1")
    assert (job.stdout, job.stderr) == (b"1777 directory\n" * 3, b"")

    job = service.run("id -u; echo $HOME; touch $HOME/.cache", image="stranger:1")
    assert (job.stdout, job.stderr, job.exit_code) == (b"1234\n/tmp\n", b"", 0)


@pytest.mark.each_engine
def test_localhost_and_the_name_of_the_machine_resolve_in_an_ordinary_image(service):
    job = service.run(["python3", "-c", RESOLVE], image="python:3")  # whose /etc/hosts has localhost twice
    assert (job.stdout, job.stderr) == (b"['127.0.0.1', '::1']\n" + RESOLVED, b"")


@pytest.mark.each_engine
def test_shared_memory_has_the_size_of_the_jobs_memory(service, small_service):
    fill = "dd if=/dev/zero of=/dev/shm/f bs=1M count=70 2>/dev/null; wc -c </dev/shm/f"
    assert service.run(fill).stdout == b"%d\n" % (70 << 20)  # more than the usual 64 MiB
    job = small_service.run("df -m /dev/shm | awk 'NR == 2 { print $2 }'")
    assert job.stdout == b"256\n"


@pytest.mark.each_engine
def test_shared_memory_counts_as_memory_of_the_job(service):
    """The limit is small, since filling memory is slow under emulation on a busy machine."""
    stage = {"cmd": ["sh", "-c", "cat /dev/zero >/dev/shm/f; exit 1"], "memory_mib": 32, "timeout_ms": 60000}
    response = service.post(
        job={"image": "busybox:1.35", "stages": [stage]}, accept="application/json"
    )
    assert [one["status"] for one in response.json()["stages"]] == ["oom"], response.body


def test_an_image_behind_a_symbolic_link_is_not_offered(start_service, tmp_path):
    """A slot could not read it. The log says which link it is, and what to do."""
    os.chmod(tmp_path, 0o755)
    store, elsewhere = f"{tmp_path}/store", f"{tmp_path}/elsewhere"
    busybox = run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    linked = make_tar([member("usr/f", b"f")])
    for name, tar in (("busybox:1.35", busybox), ("linked:1", linked)):
        done = run("import", "--store", store, "--name", name, "-", stdin=tar)
        assert done.returncode == 0, done.stderr.decode()
    digest = json.loads(run("inspect", "--json", "--store", store, "linked:1").stdout)["digest"][7:]
    os.rename(f"{store}/{digest}", elsewhere)
    os.symlink(elsewhere, f"{store}/{digest}")
    other = start_service(store=store, slots=1)
    assert other.run("echo here").stdout == b"here\n"
    offered = [image["name"] for image in other.request("GET", "/v1/images").json()["images"]]
    assert offered == ["busybox:1.35"]
    other.worker.wait_for_log(f"{store}/{digest} is a symbolic link")
    other.end()
