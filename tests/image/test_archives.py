# SPDX-License-Identifier: Apache-2.0
"""Archives of images as different tools write them, and archives that only look like them."""
import gzip
import json
import lzma
import os
import tarfile

from fixtures.oci_layout import Layout
from fixtures.pe_image import assert_import_refused, imported_tree, make_tar, member, run, sha256

LAYERS = [
    make_tar([member("usr/bin", mode=0o755), member("usr/bin/tool", b"one", mode=0o755)]),
    make_tar([member("usr/bin/tool", b"two", mode=0o755)]),
]


def config_of(layers):
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["tool"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        }
    ).encode()


def saved(config_name, layer_name, pack=bytes, extra=(), first=False):
    """An archive of docker save. The names are functions of the digest in hexadecimal."""
    config = config_of(LAYERS)
    blobs = [pack(layer) for layer in LAYERS]
    names = [layer_name(sha256(blob)[7:]) for blob in blobs]
    own_name = config_name(sha256(config)[7:])
    manifest = [{"Config": own_name, "RepoTags": ["x:1"], "Layers": names}]
    document = member("manifest.json", json.dumps(manifest).encode())
    files = [member(own_name, config)]
    files += [member(name, blob) for name, blob in zip(names, blobs)]
    return make_tar([*extra, document, *files] if first else [*files, document, *extra])


def assert_is_the_image(tmp_path, archive, name):
    path = f"{tmp_path}/{name}.tar"
    with open(path, "wb") as file:
        file.write(archive)
    entry, root = imported_tree(tmp_path, path)
    assert entry["default_cmd"] == ["tool"], f"{name}: configuration"
    assert open(f"{root}/usr/bin/tool").read() == "two", f"{name}: layers"
    assert not os.path.exists(f"{root}/manifest.json"), f"{name}: documents are not files"
    return entry


def test_archives_of_every_tool_are_images(tmp_path):
    tools = {
        "docker": saved(lambda config: f"{config}.json", lambda layer: f"{layer}/layer.tar"),
        "buildx": saved(
            lambda config: f"blobs/sha256/{config}", lambda layer: f"blobs/sha256/{layer}"
        ),
        # crane, ko and kaniko use one library.
        "crane": saved(
            lambda config: f"sha256:{config}", lambda layer: f"{layer}.tar.gz", gzip.compress
        ),
        "jib": saved(
            lambda config: "config.json", lambda layer: f"{layer}.tar.gz", gzip.compress, first=True
        ),
        "pack": saved(lambda config: f"/{config}.json", lambda layer: f"/{layer}.tar"),
    }
    digests = {assert_is_the_image(tmp_path, tar, name)["digest"] for name, tar in tools.items()}
    assert len(digests) == 1, "all give the same root filesystem"


def test_an_archive_of_an_image_may_have_more_files(tmp_path):
    names = (lambda config: f"{config}.json", lambda layer: f"{layer}.tar")
    extra = [member("README.md", b"hello"), member("sbom/a.json", b"{}")]
    for first in (False, True):
        assert_is_the_image(tmp_path, saved(*names, extra=extra, first=first), f"more{first}")


def test_metadata_in_an_archive_counts_as_in_a_layout(tmp_path):
    pe_json = member("pe.json", b'{"description": "from pe.json"}')
    names = (lambda config: f"{config}.json", lambda layer: f"{layer}.tar")
    entry = assert_is_the_image(tmp_path, saved(*names, extra=[pe_json]), "saved")
    assert entry["description"] == "from pe.json", "docker save"
    layout = Layout(f"{tmp_path}/layout").add(LAYERS, {"Cmd": ["tool"]})
    layout.write("pe.json", pe_json[1])
    with tarfile.open(f"{tmp_path}/oci.tar", "w") as archive:
        archive.add(layout.path, "")
    entry, root = imported_tree(tmp_path, f"{tmp_path}/oci.tar")
    assert entry["description"] == "from pe.json", "OCI layout"
    assert open(f"{root}/usr/bin/tool").read() == "two", "layers"
    os.mkdir(f"{tmp_path}/wrong")
    wrong = saved(*names, extra=[member("pe.json", b'{"descripton": "x"}')])
    assert_import_refused(f"{tmp_path}/wrong", wrong, b"pe.json: the metadata has an unknown field")


def test_archives_that_docker_wrote_long_ago_are_refused(tmp_path):
    identity = "a" * 64
    old = [
        member("repositories", json.dumps({"x": {"1": identity}}).encode()),
        member(identity, mode=0o755),
        member(f"{identity}/VERSION", b"1.0"),
        member(f"{identity}/json", b"{}"),
        member(f"{identity}/layer.tar", LAYERS[0]),
    ]
    assert_import_refused(tmp_path, make_tar(old), b"as Docker before version 1.10 saved it")
    assert_import_refused(tmp_path, make_tar(old[::-1]), b"has the file 'repositories'")


def test_an_image_in_a_folder_of_an_archive_is_refused(tmp_path):
    layout = Layout(f"{tmp_path}/layout").add(LAYERS)
    with tarfile.open(f"{tmp_path}/folder.tar", "w") as archive:
        archive.add(layout.path, "my-image")
    os.mkdir(f"{tmp_path}/folder")
    with open(f"{tmp_path}/folder.tar", "rb") as file:
        assert_import_refused(f"{tmp_path}/folder", file.read(), b"tar -C my-image -cf image.tar .")


def test_a_damaged_document_is_not_a_root_filesystem(tmp_path):
    for content, message in (
        (b'[{"Config": ', b"not valid JSON"),
        (b"{}", b"has 0 images"),
        (b'[{"Config": "none.json", "Layers": ["none.tar"]}]', b"has no file none.json"),
    ):
        archive = make_tar([member("manifest.json", content), member("b" * 64 + ".tar", b"")])
        assert_import_refused(tmp_path, archive, message)
    config = config_of(LAYERS)
    renamed = saved(lambda _: "c" * 64 + ".json", lambda layer: f"{layer}.tar")
    assert_import_refused(tmp_path, renamed, b"which is not the one in its name")
    assert (
        sha256(config).encode()
        in run("import", "--name", "a:1", "--store", f"{tmp_path}/store", "-", stdin=renamed).stderr
    )


def test_a_root_filesystem_may_have_files_named_like_documents(tmp_path):
    tree = [
        member("manifest.json", b'{"name": "an extension of a browser"}'),
        member("index.json", b"[]"),
        member("usr/share/oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
        member("usr/bin/tool", b"two"),
    ]
    with open(f"{tmp_path}/root.tar", "wb") as file:
        file.write(make_tar(tree))
    _, root = imported_tree(tmp_path, f"{tmp_path}/root.tar")
    assert sorted(os.listdir(f"{root}/usr")) == ["bin", "share"], "the tree"
    assert os.path.exists(f"{root}/manifest.json"), "the file"


def test_what_is_compressed_twice_is_refused(tmp_path):
    """Between the two, a file of a kilobyte can have gigabytes that no limit counts."""
    twice = lambda tar: gzip.compress(gzip.compress(tar))
    rootfs = make_tar([member("usr/f", b"f")])
    archive = saved(lambda digest: f"{digest}.json", lambda digest: f"{digest}/layer.tar")
    for content in (twice(rootfs), gzip.compress(lzma.compress(rootfs)), twice(archive)):
        assert_import_refused(tmp_path, content, b"is compressed more than once")
    layout = Layout(f"{tmp_path}/layout").add(LAYERS, compress=twice)
    done = run("import", "--name", "t:1", "--store", f"{tmp_path}/store", layout.path)
    assert done.returncode != 0 and b"compressed more than once" in done.stderr, done


def test_a_packed_archive_is_unpacked_no_further_than_the_limit(tmp_path):
    zeroes = member("zeroes", b"\0" * (8 << 20))
    rootfs = make_tar([zeroes, member("f", b"f")])
    archive = saved(
        lambda digest: f"{digest}.json", lambda digest: f"{digest}.tar", extra=[zeroes], first=True
    )
    for content in (rootfs, archive):
        for pack in (gzip.compress, lzma.compress):
            message = b"more bytes than an image may have"
            assert_import_refused(tmp_path, pack(content), message, "--max-mib", "4")


def test_documents_that_would_fill_the_memory_are_refused(tmp_path):
    objects = b'{"manifests": [' + b"{}," * 1_000_000 + b"{}]}"
    tar = make_tar([member("oci-layout", b"{}"), member("index.json", objects)])
    assert_import_refused(tmp_path, tar, b"index.json: the JSON has more than 200000 values")
    deep = b'{"manifests": ' + b"[" * 1000 + b"]" * 1000 + b"}"
    tar = make_tar([member("oci-layout", b"{}"), member("index.json", deep)])
    assert_import_refused(tmp_path, tar, b"index.json: the JSON is nested deeper")
