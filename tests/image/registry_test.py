"""A real registry on loopback: images pushed to it with skopeo, pulled from it."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

from oci_test import BASE, SECOND, THIRD, zstd
from support import BUILD, PE_IMAGE, Layout, checked, compare_with_umoci, contains, equal, make_tar, member, run, taken, unpacked

CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def registry(work):
    """Its address while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(f"{work}/registry.yml", "w") as file:
        file.write(CONFIG.format(root=f"{work}/registry", port=port))
    with open(f"{work}/registry.log", "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", f"{work}/registry.yml"], stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            if process.poll() is not None:
                raise AssertionError(open(f"{work}/registry.log").read())
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def push(layout, name, address, target, *arguments):
    checked("skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", *arguments, f"oci:{layout}:{name}",
            f"docker://{address}/{target}")


def busybox_layout(work):
    """The image that is built from Debian's busybox, as an OCI layout that umoci made."""
    listed = json.loads(checked(PE_IMAGE, "ls", "--json", "--store", f"{os.path.dirname(BUILD)}/build/images"))
    digest = [image["digest"][7:] for image in listed if image["name"] == "busybox:1.35"][0]
    checked("umoci", "init", "--layout", f"{work}/busybox")
    checked("umoci", "new", "--image", f"{work}/busybox:latest")
    checked("umoci", "unpack", "--image", f"{work}/busybox:latest", f"{work}/bundle")
    shutil.rmtree(f"{work}/bundle/rootfs")
    checked("unsquashfs", "-q", "-n", "-d", f"{work}/bundle/rootfs",
            f"{os.path.dirname(BUILD)}/build/images/{digest}/rootfs.squashfs")
    checked("umoci", "repack", "--image", f"{work}/busybox:latest", f"{work}/bundle")
    checked("umoci", "config", "--image", f"{work}/busybox:latest", "--config.entrypoint", "/bin/sh", "--config.cmd", "-c",
            "--config.cmd", "echo pulled", "--config.env", "A=b")
    return f"{work}/busybox"


def test_images_from_a_registry_are_what_umoci_unpacks(work):
    tars = [make_tar(BASE), make_tar(SECOND), make_tar(THIRD)]
    layers = Layout(f"{work}/layers").add(tars).path
    many = Layout(f"{work}/many").add([make_tar([member("d", mode=0o755), member(f"d/{n}", str(n).encode() * 999)])
                                       for n in range(40)]).path
    with registry(work) as address:
        for layout, name in ((layers, "layers"), (many, "folder/many"), (busybox_layout(work), "busybox")):
            push(layout, "latest", address, f"{name}:1")
            done = run("pull", "--json", "--plain-http", "--store", f"{work}/store", f"docker://{address}/{name}:1")
            equal(done.returncode, 0, done.stderr.decode())
            entry = json.loads(done.stdout)
            equal(entry["name"], f"{name}:1", "name")
            root = unpacked(work, f"{work}/store/{entry['digest'][7:]}/rootfs.squashfs")
            equal(compare_with_umoci(work, layout, "latest", root) > 8, True, "files are compared")
            equal(os.listdir(f"{work}/store/{entry['digest'][7:]}"), ["rootfs.squashfs"], "what is stored")
        equal(entry["default_cmd"], ["/bin/sh", "-c", "echo pulled"], "command of busybox")


def test_a_registry_image_with_zstd_layers_and_several_architectures(work):
    layout = Layout(f"{work}/layout")
    for arch in ("amd64", "arm64"):
        layout.add([make_tar([member("arch", arch.encode())])], arch=arch, compress=zstd, kind="zstd")
    with registry(work) as address:
        # skopeo copies a multi-arch index only whole, and a layout's outermost index is no image: one more around it.
        index = json.load(open(f"{layout.path}/index.json"))
        for descriptor in index["manifests"]:
            del descriptor["annotations"]
        index["mediaType"] = "application/vnd.oci.image.index.v1+json"
        descriptor = layout.blob(json.dumps(index).encode(), index["mediaType"])
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": "all"}
        layout.write("index.json", json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode())
        push(layout.path, "all", address, "multi:1", "--all")
        for arch in ("amd64", "arm64"):
            entry, root = taken(work, f"docker://{address}/multi:1", "--plain-http", "--arch", arch, command="pull")
            equal((entry["architecture"], open(f"{root}/arch").read()), (arch, arch), "architecture")
        # The nested index is also read without skopeo.
        equal(taken(work, layout.path, "--arch", "arm64")[0]["architecture"], "arm64", "architecture of the layout")


def test_what_skopeo_cannot_fetch_is_said_and_leaves_nothing(work):
    with registry(work) as address:
        done = run("pull", "--plain-http", "--store", f"{work}/store", f"docker://{address}/none:1")
    equal(done.returncode, 1, "status")
    contains(done.stderr, b"skopeo cannot fetch docker://")
    contains(done.stderr, b"manifest unknown")
    equal(sorted(os.listdir(f"{work}/store")), [".lock", "names"], "store")
    contains(run("pull", "--store", f"{work}/store", "gcc").stderr, b"expected one source")
    contains(run("pull", "--store", f"{work}/store", "dir:/x").stderr, b"--name is missing")
