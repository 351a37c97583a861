# SPDX-License-Identifier: Apache-2.0
"""Which image of an index is taken: architectures, variants, names, and what is no image."""
import io
import json
import tarfile

from fixtures.oci_layout import Layout
from fixtures.pe_image import imported_tree, make_tar, member, run
from fixtures.registry import push

INDEX = "application/vnd.oci.image.index.v1+json"
LEVEL_2 = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
LEVEL_3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}


def machine_level():
    """The variant of amd64 that this machine runs, at most 3."""
    with open("/proc/cpuinfo") as file:
        flags = next(set(line.split()) for line in file if line.startswith("flags"))
    return 1 if not LEVEL_2 <= flags else 2 if not LEVEL_3 <= flags else 3


def layer(text):
    return [make_tar([member("which", text.encode())])]


def add(layout, arch, variant=None, name=None, text=None, in_index=True):
    """Add an image whose file /which has its platform."""

    def change(manifest, document):
        if variant:
            document["variant"] = variant

    text = text or f"{arch}/{variant}" if variant else text or arch
    layout.add(layer(text), arch=arch, change=change)
    descriptor = layout.manifests[-1]
    if variant:
        descriptor["platform"]["variant"] = variant
    if not in_index:
        del descriptor["platform"]
    if name:
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
    else:
        del descriptor["annotations"]
    return descriptor


def write_index(layout, manifests=None):
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests or layout.manifests}
    layout.write("index.json", json.dumps(index).encode())


def nest(layout, name="latest"):
    """Move the images to an index of their own, as tools do for several platforms."""
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": layout.manifests}
    descriptor = layout.blob(json.dumps(document).encode(), INDEX)
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
    layout.manifests = [descriptor]
    write_index(layout)


def which(tmp_path, layout, *arguments):
    """What /which of the imported image says, or the message of the failure."""
    done = run(
        *("import", "--json", "--name", "a:1", "--store", f"{tmp_path}/store"),
        *arguments,
        layout.path,
    )
    if done.returncode:
        return done.stderr.decode()
    tar = run("export", "--store", f"{tmp_path}/store", "a:1", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.extractfile("which").read().decode()


def test_the_best_variant_that_the_machine_runs_is_taken(tmp_path):
    for nested in (False, True):
        layout = Layout(f"{tmp_path}/{nested}")
        for arch, variant in (
            ("amd64", "v2"),
            ("arm64", "v8"),
            ("amd64", None),
            ("amd64", "v3"),
            ("arm", "v6"),
            ("arm", "v7"),
            ("amd64", "v4"),
        ):
            add(layout, arch, variant)
        nest(layout) if nested else write_index(layout)
        for asked, wanted in (
            ("amd64/v1", "amd64"),
            ("amd64/v2", "amd64/v2"),
            ("x86_64/v3", "amd64/v3"),
            ("amd64/v4", "amd64/v4"),
            ("amd64/v5", "amd64/v4"),
            ("arm", "arm/v7"),
            ("arm/v8", "arm/v7"),
            ("armv6l", "arm/v6"),
            ("aarch64", "arm64/v8"),
        ):
            assert which(tmp_path, layout, "--arch", asked) == wanted, asked
        own = "amd64" if machine_level() == 1 else f"amd64/v{machine_level()}"
        assert which(tmp_path, layout) == own, "this machine's"
        assert which(tmp_path, layout, "--arch", "amd64") == own, "its architecture"


def test_messages_name_variants(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    add(layout, "amd64", "v2")
    add(layout, "amd64", "v3", name="new")
    add(layout, "arm", "v6")
    layout.manifests[-1]["platform"]["os"] = "windows"
    write_index(layout)
    assert (
        "there is no image for amd64/v1; available: amd64/v2, new amd64/v3, windows arm/v6"
        in which(tmp_path, layout, "--arch", "amd64/v1")
    )
    assert "there is no image for arm/v7" in which(tmp_path, layout, "--arch", "arm")
    assert "is not an architecture" in which(tmp_path, layout, "--arch", "x" * 100)
    # One image without an index says for what it is in its configuration.
    single = Layout(f"{tmp_path}/single")
    add(single, "amd64", "v3", in_index=False)
    write_index(single)
    assert "available: amd64/v3" in which(tmp_path, single, "--arch", "amd64/v2")
    assert which(tmp_path, single, "--arch", "amd64/v3") == "amd64/v3"


def test_of_equal_platforms_the_first_is_taken(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    add(layout, "amd64", text="first")
    add(layout, "amd64", text="second")
    write_index(layout)
    assert which(tmp_path, layout, "--arch", "amd64") == "first"
    nest(layout)
    assert which(tmp_path, layout, "--arch", "amd64") == "first"


def test_one_image_may_have_several_names(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    descriptor = add(layout, "amd64", name="1")
    other_name = {"annotations": {"org.opencontainers.image.ref.name": "latest"}}
    write_index(layout, [descriptor, {**descriptor, **other_name}])
    assert which(tmp_path, layout, "--arch", "amd64") == "amd64"
    assert which(tmp_path, layout, "--arch", "amd64", "--ref", "latest") == "amd64"
    # The same for an index of several platforms.
    add(layout, "amd64", "v2")
    nest(layout, "1")
    write_index(layout, [layout.manifests[0], {**layout.manifests[0], **other_name}])
    assert which(tmp_path, layout, "--arch", "amd64/v2") == "amd64/v2"
    assert "there is no image for amd64/v2 named none" in which(
        tmp_path, layout, "--arch", "amd64/v2", "--ref", "none"
    )


def test_images_of_different_repositories_may_have_the_same_tag(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    for name in ("one", "two"):
        add(layout, "amd64", name="1", text=name)["annotations"][
            "io.containerd.image.name"
        ] = f"docker.io/library/{name}:1"
    write_index(layout)
    message = which(tmp_path, layout, "--arch", "amd64/v1")
    assert "there are several images for amd64/v1; available: docker.io/library/one:1" in message
    for name in ("one", "two"):
        assert which(tmp_path, layout, "--ref", f"{name}:1") == name
        assert which(tmp_path, layout, "--ref", f"docker.io/library/{name}:1") == name


def test_what_is_no_image_is_no_candidate(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    image = add(layout, "amd64", in_index=False)

    def artifact(config_type, layer_type, **more):
        manifest = {
            "schemaVersion": 2,
            "config": layout.blob(b"{}", config_type),
            "layers": [layout.blob(b"payload", layer_type)],
        }
        manifest_type = "application/vnd.oci.image.manifest.v1+json"
        return {**layout.blob(json.dumps(manifest).encode(), manifest_type), **more}

    signature = artifact(
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.dev.cosign.simplesigning.v1+json",
        annotations={"org.opencontainers.image.ref.name": f"sha256-{'0' * 64}.sig"},
    )
    chart = artifact(
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    )
    attestation = artifact(
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.in-toto+json",
        platform={"architecture": "unknown", "os": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest"},
    )
    other = {**layout.blob(b"{}", "application/vnd.example+json")}
    write_index(layout, [signature, chart, attestation, other, image])
    assert which(tmp_path, layout, "--arch", "amd64") == "amd64"
    write_index(layout, [signature, chart])
    assert "the index has no container images" in which(tmp_path, layout, "--arch", "amd64")


def test_a_layout_may_lack_the_images_of_other_platforms(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    add(layout, "amd64")
    missing = {"digest": "sha256:" + "1" * 64, "size": 7, "mediaType": INDEX}
    unknown = {**missing, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    write_index(layout, [missing, unknown, *layout.manifests])
    assert which(tmp_path, layout, "--arch", "amd64") == "amd64"


def test_an_index_that_refers_to_itself_many_times_is_refused(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    add(layout, "amd64")
    for _ in range(2):
        nest(layout)
        layout.manifests = layout.manifests * 120
    write_index(layout)
    assert "more than 10000 descriptors" in which(tmp_path, layout)
    deep = Layout(f"{tmp_path}/deep")
    add(deep, "amd64")
    for _ in range(5):
        nest(deep)
    assert "nested more than 4 levels" in which(tmp_path, deep)


def test_pulling_chooses_as_importing_does(registry, tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    for variant in ("v2", "v3"):
        add(layout, "amd64", variant)
    nest(layout, "all")
    push(layout.path, "all", registry.address, "variants:1", "--all")
    source = f"docker://{registry.address}/variants:1"
    for variant in ("v2", "v3"):
        arguments = ("--plain-http", "--arch", f"amd64/{variant}")
        _, root = imported_tree(tmp_path, source, *arguments, command="pull")
        assert open(f"{root}/which").read() == f"amd64/{variant}", variant
    done = run(
        *("pull", "--plain-http", "--arch", "amd64/v1", "--store", f"{tmp_path}/store", source)
    )
    assert b"there is no image for amd64/v1; available: amd64/v2, amd64/v3" in done.stderr
