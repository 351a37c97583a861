"""Images of every way in, run by the real service: balancer, worker, VMs."""
import io
import json
import os
import sys
import tarfile
import threading

from registry_test import busybox_layout, push, registry
from support import BUILD, checked, contains, equal, member, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

import service as s  # noqa: E402

HOME_STORE = f"{os.path.dirname(BUILD)}/build/images"


def catalog(service, query=""):
    return {image["name"]: image for image in service.request("GET", "/v1/images" + query).json()["images"]}


def await_images(service, names):
    """The balancer's list, once it is this one."""
    service.wait_for(lambda health: set(catalog(service)) == set(names), 30, f"the images {names}")
    return catalog(service)


def job(service, image, *files, **fields):
    body = s.form(dict(fields, image=image, timeout_ms=30000), files)
    return s.Outcome(service.request("POST", "/v1/run", body, {"Content-Type": f"multipart/form-data; boundary={s.BOUNDARY}"}))


def with_version(tar, version):
    """A copy of a tar with one more file."""
    out = io.BytesIO(tar)
    with tarfile.open(fileobj=out, mode="a") as archive:
        info, content = member("version", version.encode())
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_a_running_worker_takes_up_pulled_combined_and_removed_images(work):
    store = f"{work}/store"
    rootfs = run("export", "--store", HOME_STORE, "busybox:1.35", "-").stdout
    equal(run("import", "--name", "busybox:1.35", "--store", store, "-", stdin=rootfs).returncode, 0, "import")
    layout = busybox_layout(work)
    checked("umoci", "config", "--image", f"{layout}:latest", "--config.user", "nobody", "--config.label",
            'pe.inputs=[{"type": "text/plain", "patterns": ["*.txt"]}]', "--config.cmd", "-c", "--config.cmd",
            "id -u; id -g; echo $A $HOME; pwd; cat *.txt; echo made > /output/f; echo made > g; "
            "echo more >> notes.txt && cp notes.txt /output")
    service = s.Service(slots=1, images=store)
    try:
        service.start()
        await_images(service, ["busybox:1.35"])
        with registry(work) as address:
            push(layout, "latest", address, "pulled:1")
            equal(run("pull", "--plain-http", "--store", store, f"docker://{address}/pulled:1").returncode, 0, "pull")
        listed = await_images(service, ["busybox:1.35", "pulled:1"])
        equal((listed["pulled:1"]["user"]["uid"], listed["pulled:1"]["entrypoint"]), (65534, ["/bin/sh"]), "catalog")
        equal(list(catalog(service, "?file=notes.txt")), ["pulled:1"], "what could run a file")
        outcome = job(service, "pulled:1", ("notes.txt", "text\n"))
        equal((outcome.stdout, outcome.stderr), (b"65534\n65534\nb /\n/work\ntext\n", b""), "what the image's own command printed")
        equal(outcome.files, {"f": b"made\n", "notes.txt": b"text\nmore\n"}, "output of a user who is not root")

        for version in ("1", "2"):
            done = run("import", "--name", f"versioned:{version}", "--store", store, "-", stdin=with_version(rootfs, version))
            equal(done.returncode, 0, done.stderr.decode())
        done = run("combine", "--json", "--store", store, "versioned:1", "versioned:2")
        equal(json.loads(done.stdout)["shared_files"] > 0, True, "shared files")
        service.wait_for(lambda health: catalog(service).get("versioned:2", {}).get("root") == "versioned-2", 30, "the new entry")
        for version in ("1", "2"):
            outcome = job(service, f"versioned:{version}", cmd=["sh", "-c", "cat /version; ls / | tr '\\n' ' '"])
            equal((outcome.status, outcome.stdout[:1]), ("exited", version.encode()), f"version: {outcome.stdout} {outcome.result}")
            contains(outcome.stdout, b"bin dev etc input output proc")
            equal(b"versioned" in outcome.stdout, False, "the other one's files")

        equal(run("rm", "--store", store, "pulled:1", "versioned:1", "versioned:2").returncode, 0, "rm")
        await_images(service, ["busybox:1.35"])
    finally:
        service.stop()


def test_jobs_meet_one_image_or_the_other_while_an_image_is_replaced_under_its_name(work):
    store = f"{work}/store"
    rootfs = run("export", "--store", HOME_STORE, "busybox:1.35", "-").stdout
    tars = {version: with_version(rootfs, version) for version in ("1", "2")}

    def replace(version):
        done = run("import", "--name", "replaced:1", "--store", store, "-", stdin=tars[version])
        equal(done.returncode, 0, done.stderr.decode())
        return digest_of(store, "replaced:1")

    digests = {replace(version): version for version in ("2", "1")}
    equal(len(digests), 2, "digests")
    service = s.Service(slots=2, images=store, warm="replaced:1")
    stop = threading.Event()

    def replace_again_and_again():
        while not stop.is_set():
            for version in ("2", "1"):
                replace(version)
                stop.wait(0.4)

    replacing = threading.Thread(target=replace_again_and_again)
    try:
        service.start()
        replacing.start()
        seen = set()
        for _ in range(25):
            outcome = job(service, "replaced:1", cmd=["sh", "-c", "cat /version; md5sum < /bin/sh; ls /bin | wc -l"], cache=False)
            equal(outcome.status, "exited", outcome.result)
            version, rest = outcome.stdout[:1].decode(), outcome.stdout[1:]
            equal(digests.get(outcome.result["image_digest"]), version, "the digest is of the image that ran")
            seen.add((version, rest))
        equal(sorted(version for version, _ in seen), ["1", "2"], "both were met, each the same every time")
    finally:
        stop.set()
        if replacing.is_alive():
            replacing.join()
        service.stop()


def digest_of(store, name):
    with open(f"{store}/names/{name}.json", encoding="utf-8") as file:
        return json.load(file)["digest"]
