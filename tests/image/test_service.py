# SPDX-License-Identifier: Apache-2.0
"""Images of every kind, run by the real service: balancer, worker, VMs."""
import io
import json
import tarfile
import threading
from pathlib import Path

import pytest

from fixtures.oci_layout import Layout
from fixtures.paths import IMAGES
from fixtures.pe_image import checked, member, run
from fixtures.registry import busybox_layout, push
from fixtures.waiting import Background, eventually


def catalog(service, query=""):
    images = service.request("GET", "/v1/images" + query).json()["images"]
    return {image["name"]: image for image in images}


def wait_for_images(service, names):
    """The balancer's list of images, once it has these names."""
    eventually(
        lambda: set(catalog(service)) == set(names), lambda: f"{names}, not {set(catalog(service))}"
    )
    return catalog(service)


def with_version(tar, version):
    """A copy of a tar with one more file."""
    out = io.BytesIO(tar)
    with tarfile.open(fileobj=out, mode="a") as archive:
        info, content = member("version", version.encode())
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_a_running_worker_notices_pulled_combined_and_removed_images(
    start_service, registry, tmp_path
):
    store = f"{tmp_path}/store"
    rootfs = run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    assert (
        run("import", "--name", "busybox:1.35", "--store", store, "-", stdin=rootfs).returncode == 0
    ), "import"
    layout = busybox_layout(tmp_path)
    checked(
        "umoci",
        "config",
        "--image",
        f"{layout}:latest",
        "--config.user",
        "nobody",
        "--config.label",
        'pe.inputs=[{"type": "text/plain", "patterns": ["*.txt"]}]',
        "--config.cmd",
        "-c",
        "--config.cmd",
        "id -u; id -g; echo $A $HOME; pwd; cat *.txt; echo made > /output/f; echo made > g; "
        "echo more >> notes.txt && cp notes.txt /output",
    )
    service = start_service(slots=1, store=store)
    wait_for_images(service, ["busybox:1.35"])
    push(layout, "latest", registry.address, "pulled:1")
    assert (
        run(
            "pull", "--plain-http", "--store", store, f"docker://{registry.address}/pulled:1"
        ).returncode
        == 0
    ), "pull"
    listed = wait_for_images(service, ["busybox:1.35", "pulled:1"])
    assert listed["pulled:1"]["user"]["uid"] == 65534, "catalog"
    assert listed["pulled:1"]["entrypoint"] == ["/bin/sh"], "catalog"
    assert list(catalog(service, "?file=notes.txt")) == ["pulled:1"], "what could run a file"
    job = service.run(image="pulled:1", files=[("notes.txt", "text\n")])
    assert job.stdout == b"65534\n65534\nb /\n/work\ntext\n", "what the image's own command printed"
    assert job.stderr == b"", "what the image's own command printed"
    assert job.files == {
        "f": b"made\n",
        "notes.txt": b"text\nmore\n",
    }, "output of a user who is not root"

    for version in ("1", "2"):
        done = run(
            "import",
            "--name",
            f"versioned:{version}",
            "--store",
            store,
            "-",
            stdin=with_version(rootfs, version),
        )
        assert done.returncode == 0, done.stderr.decode()
    done = run("combine", "--json", "--store", store, "versioned:1", "versioned:2")
    assert json.loads(done.stdout)["shared_files"] > 0, "shared files"
    eventually(
        lambda: catalog(service).get("versioned:2", {}).get("root") == "versioned-2",
        "the new entry",
    )
    for version in ("1", "2"):
        job = service.run("cat /version; ls / | tr '\\n' ' '", image=f"versioned:{version}")
        assert job.status == "exited", f"version: {job.stdout} {job.fields}"
        assert job.stdout[:1] == version.encode(), f"version: {job.stdout} {job.fields}"
        assert b"bin dev etc input output proc" in job.stdout
        assert not (b"versioned" in job.stdout), "the other one's files"

    assert (
        run("rm", "--store", store, "pulled:1", "versioned:1", "versioned:2").returncode == 0
    ), "rm"
    wait_for_images(service, ["busybox:1.35"])


@pytest.mark.each_engine
def test_jobs_see_one_of_two_images_while_a_name_is_replaced(start_service, tmp_path):
    store = f"{tmp_path}/store"
    rootfs = run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    tars = {version: with_version(rootfs, version) for version in ("1", "2")}

    def replace(version):
        done = run("import", "--name", "replaced:1", "--store", store, "-", stdin=tars[version])
        assert done.returncode == 0, done.stderr.decode()
        return digest_of(store, "replaced:1")

    digests = {replace(version): version for version in ("2", "1")}
    assert len(digests) == 2, "digests"
    service = start_service(slots=2, store=store, warm="replaced:1")
    stop = threading.Event()

    def replace_again_and_again():
        while not stop.is_set():
            for version in ("2", "1"):
                replace(version)
                stop.wait(0.4)

    replacing = Background(replace_again_and_again)
    seen = set()
    try:
        for count in range(500):
            job = service.run("cat /version; md5sum < /bin/sh; ls /bin | wc -l", image="replaced:1")
            assert job.status == "exited"
            version, rest = job.stdout[:1].decode(), job.stdout[1:]
            assert digests.get(job.image_digest) == version, "the digest is of the image that ran"
            seen.add((version, rest))
            if count >= 24 and len(seen) >= 2:
                break
    finally:
        stop.set()
    replacing.done()
    assert sorted(version for version, _ in seen) == ["1", "2"], "each is always the same"


def digest_of(store, name):
    with open(f"{store}/names/{name}.json", encoding="utf-8") as file:
        return json.load(file)["digest"]


def test_the_images_own_command_runs_in_its_working_directory(start_service, tmp_path):
    store = f"{tmp_path}/store"
    rootfs = run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    script = b"#!/bin/sh\npwd; cat data; ls /work\n"
    out = io.BytesIO(rootfs)
    with tarfile.open(fileobj=out, mode="a") as archive:
        for info, content in (
            member("app/run", script, mode=0o755),
            member("app/data", b"of the image\n"),
        ):
            archive.addfile(info, io.BytesIO(content))
    layout = Layout(f"{tmp_path}/layout")
    layout.add([out.getvalue()], {"WorkingDir": "/app", "Entrypoint": ["./run"]})
    arguments = ("--store", store, "--name", "app:1", layout.path)
    assert run("import", *arguments).returncode == 0, "import"
    service = start_service(slots=1, store=store, warm="app:1")
    files = [("notes.txt", "hello")]
    own = service.run(None, image="app:1", files=files)
    assert own.stdout == b"/app\nof the image\nnotes.txt\n", own.fields
    given = service.run("pwd; cat notes.txt", image="app:1", files=files)
    assert given.stdout == b"/work\nhello", given.fields


def test_catalog_entries_that_are_too_large_together_do_not_keep_a_worker_from_registering(
    start_service, tmp_path
):
    store = f"{tmp_path}/store"
    rootfs = run("export", "--store", IMAGES, "busybox:1.35", "-").stdout
    imported = run("import", "--name", "small:1", "--store", store, "-", stdin=rootfs)
    assert imported.returncode == 0, imported.stderr
    entry = json.loads(Path(f"{store}/names/small:1.json").read_text(encoding="utf-8"))
    for i in range(6):
        large = {**entry, "name": f"large:{i}", "env": [f"V{n}=" + "x" * 4000 for n in range(230)]}
        Path(f"{store}/names/large:{i}.json").write_text(json.dumps(large), encoding="utf-8")
    service = start_service(slots=1, store=store)
    eventually(lambda: "small:1" in catalog(service), "the worker has registered")
    assert set(catalog(service)) == {"small:1", *(f"large:{i}" for i in range(4))}
    for i in 4, 5:
        assert f"image 'large:{i}' is left out, and gets no jobs" in service.worker.log()
