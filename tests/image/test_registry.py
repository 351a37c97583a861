# SPDX-License-Identifier: Apache-2.0
"""A real registry on loopback: images pushed to it with skopeo, pulled from it."""
import json
import os

from fixtures.oci_layout import BASE, Layout, SECOND, THIRD, zstd
from fixtures.pe_image import compare_with_umoci, imported_tree, make_tar, member, run, unpacked
from fixtures.registry import busybox_layout, push


def test_images_from_a_registry_are_unpacked_as_umoci_does(registry, tmp_path):
    tars = [make_tar(BASE), make_tar(SECOND), make_tar(THIRD)]
    layers = Layout(f"{tmp_path}/layers").add(tars).path
    many = (
        Layout(f"{tmp_path}/many")
        .add(
            [
                make_tar([member("d", mode=0o755), member(f"d/{n}", str(n).encode() * 999)])
                for n in range(40)
            ]
        )
        .path
    )
    for layout, name in (
        (layers, "layers"),
        (many, "folder/many"),
        (busybox_layout(tmp_path), "busybox"),
    ):
        push(layout, "latest", registry.address, f"{name}:1")
        done = run(
            "pull",
            "--json",
            "--plain-http",
            "--store",
            f"{tmp_path}/store",
            f"docker://{registry.address}/{name}:1",
        )
        assert done.returncode == 0, done.stderr.decode()
        entry = json.loads(done.stdout)
        assert entry["name"] == f"{name}:1", "name"
        root = unpacked(tmp_path, f"{tmp_path}/store/{entry['digest'][7:]}/rootfs.squashfs")
        assert compare_with_umoci(tmp_path, layout, "latest", root) > 8, "files are compared"
        assert os.listdir(f"{tmp_path}/store/{entry['digest'][7:]}") == [
            "rootfs.squashfs"
        ], "what is stored"
    assert entry["default_cmd"] == ["/bin/sh", "-c", "echo pulled"], "command of busybox"


def test_a_registry_image_may_have_zstd_layers_and_several_architectures(registry, tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    for arch in ("amd64", "arm64"):
        layout.add(
            [make_tar([member("arch", arch.encode())])], arch=arch, compress=zstd, kind="zstd"
        )
    # skopeo copies a multi-arch index only completely, and the outermost index of a layout is not
    # an image, so there is one more index around it.
    index = json.load(open(f"{layout.path}/index.json"))
    for descriptor in index["manifests"]:
        del descriptor["annotations"]
    index["mediaType"] = "application/vnd.oci.image.index.v1+json"
    descriptor = layout.blob(json.dumps(index).encode(), index["mediaType"])
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": "all"}
    layout.write("index.json", json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode())
    push(layout.path, "all", registry.address, "multi:1", "--all")
    for arch in ("amd64", "arm64"):
        entry, root = imported_tree(
            tmp_path,
            f"docker://{registry.address}/multi:1",
            "--plain-http",
            "--arch",
            arch,
            command="pull",
        )
        assert entry["architecture"] == arch, "architecture"
        assert open(f"{root}/arch").read() == arch, "architecture"
    # The nested index is also read without skopeo.
    assert (
        imported_tree(tmp_path, layout.path, "--arch", "arm64")[0]["architecture"] == "arm64"
    ), "architecture of the layout"


def test_a_failed_fetch_is_reported_and_leaves_nothing(registry, tmp_path):
    done = run(
        "pull",
        "--plain-http",
        "--store",
        f"{tmp_path}/store",
        f"docker://{registry.address}/none:1",
    )
    assert done.returncode == 1, "status"
    assert b"skopeo cannot fetch docker://" in done.stderr
    assert b"manifest unknown" in done.stderr
    assert sorted(os.listdir(f"{tmp_path}/store")) == [".lock", "names"], "store"
    assert b"expected one source" in run("pull", "--store", f"{tmp_path}/store", "gcc").stderr
    assert b"--name is missing" in run("pull", "--store", f"{tmp_path}/store", "dir:/x").stderr


def test_no_blob_that_is_larger_than_an_image_is_fetched(registry, tmp_path):
    layout = Layout(f"{tmp_path}/layout").add([make_tar([member("f", os.urandom(3 << 20))])])
    push(layout.path, "latest", registry.address, "large:1")
    source = f"docker://{registry.address}/large:1"
    done = run("pull", "--plain-http", "--store", f"{tmp_path}/store", "--max-mib", "2", source)
    assert done.returncode == 1, done
    assert b"skopeo cannot fetch" in done.stderr and b"file too large" in done.stderr, done
    assert sorted(os.listdir(f"{tmp_path}/store")) == [".lock", "names"], "store"
