# SPDX-License-Identifier: Apache-2.0
"""OCI layouts and archives of images: layers, documents, what becomes of the configuration; hostile
ones."""
import gzip
import io
import json
import os
import tarfile

from fixtures.oci_layout import (
    BASE,
    CAPABILITY,
    Layout,
    OPAQUE,
    SECOND,
    THIRD,
    WHITEOUT,
    link,
    symlink,
    zstd,
)
from fixtures.pe_image import (
    ALIGN,
    checked,
    compare_with_umoci,
    imported_tree,
    listing,
    make_tar,
    member,
    run,
    sha256,
    unpacked,
    xattrs,
)

# ---- the same trees as umoci's ----


def test_layers_are_unpacked_as_umoci_does(tmp_path):
    layout = Layout(f"{tmp_path}/layout").add([make_tar(BASE), make_tar(SECOND), make_tar(THIRD)])
    entry, root = imported_tree(tmp_path, layout.path)
    assert compare_with_umoci(tmp_path, layout.path, "latest", root) > 10, "files are compared"
    found = listing(root)
    assert sorted(path for path in found if path.startswith(("usr/bin/", "var/"))) == [
        "usr/bin/a",
        "usr/bin/c",
        "var/file",
        "var/file/below",
        "var/gone",
        "var/gone/again",
        "var/kind",
        "var/opaque",
        "var/opaque/new",
    ], "what is left"
    assert (
        open(f"{root}/usr/bin/c").read() == "a" * 5000
    ), "a link outlives what replaced its target"
    assert entry["rootfs_bytes"] == ALIGN, "size"


def test_members_below_symbolic_links_are_unpacked_inside_the_root_as_umoci_does(tmp_path):
    merged = [
        member("usr", mode=0o755),
        member("usr/lib", mode=0o755),
        member("usr/lib/kept", b"kept"),
        member("usr/lib/gone", b"gone"),
        member("usr/lib/sub", mode=0o755),
        member("usr/lib/sub/old", b"old"),
        member("usr/lib/replaced", b"old"),
        symlink("lib", "usr/lib"),
        symlink("lib64", "/usr/lib"),
        symlink("usr/up", "../../../../usr/lib"),
        symlink("chain", "usr/up"),
        symlink("dangling", "srv/made/here"),
        symlink("usr/lib/out", "../../.."),
        symlink("usr/link", "nowhere"),
        symlink("was-a-link", "usr/lib"),
    ]
    above = [
        member("lib/b", b"b", mode=0o640),
        member("lib64/c", b"c"),
        member("usr/up/d", b"d"),
        member("chain/sub", mode=0o700, mtime=77),
        member("chain/e", b"e"),
        member("dangling/f", b"f"),
        # umoci gives directories that no member names the current time.
        *(member(name, mode=0o755) for name in ("srv", "srv/made", "srv/made/here")),
        member("lib/out/g", b"g"),
        member("lib/replaced", b"new"),
        member("lib/" + WHITEOUT + "gone", b""),
        member("lib/sub/" + OPAQUE, b""),
        member("usr/link", b"a file replaces the link itself"),
        link("hard", "lib/kept"),
        link("lib/hard", "lib64/kept"),
        member("was-a-link", mode=0o755),
        member("was-a-link/h", b"h"),
    ]
    layout = Layout(f"{tmp_path}/layout").add([make_tar(merged), make_tar(above)])
    _, root = imported_tree(tmp_path, layout.path)
    assert compare_with_umoci(tmp_path, layout.path, "latest", root) > 10, "files are compared"
    assert sorted(os.listdir(f"{root}/usr/lib")) == [
        "b",
        "c",
        "d",
        "e",
        "hard",
        "kept",
        "out",
        "replaced",
        "sub",
    ], "what /usr/lib has"
    assert open(f"{root}/g").read() == "g", "a link above the root leads to the root"
    assert open(f"{root}/srv/made/here/f").read() == "f", "a dangling link"
    assert os.path.islink(f"{root}/lib"), "the link stays"


def test_absolute_names_are_relative_to_the_root_of_the_image(tmp_path):
    rooted = [
        member("/", mode=0o711, mtime=5),
        member("/var/" + WHITEOUT + "gone", b""),
        member("/app", mode=0o755),
        member("/app/x", b"x"),
        link("/app/y", "/app/x"),
        member("//app//z", b"z"),
    ]
    layout = Layout(f"{tmp_path}/layout").add([make_tar(BASE), make_tar(rooted)])
    _, root = imported_tree(tmp_path, layout.path)
    assert compare_with_umoci(tmp_path, layout.path, "latest", root) > 10, "files are compared"
    assert sorted(os.listdir(f"{root}/app")) == ["x", "y", "z"], "what /app has"
    assert not os.path.exists(f"{root}/var/gone"), "whiteout"


def test_an_archive_of_docker_save_may_have_absolute_names(tmp_path):
    layer = make_tar([member("usr/f", b"content")])
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]},
        }
    ).encode()
    names = {"config": sha256(config)[7:] + ".json", "layer": "/" + sha256(layer)[7:] + ".tar"}
    manifest = [{"Config": names["config"], "RepoTags": ["x:1"], "Layers": [names["layer"]]}]
    with open(f"{tmp_path}/pack.tar", "wb") as file:
        file.write(
            make_tar(
                [
                    member("/" + names["config"], config),
                    member(names["layer"], layer),
                    member("manifest.json", json.dumps(manifest).encode()),
                ]
            )
        )
    _, root = imported_tree(tmp_path, f"{tmp_path}/pack.tar")
    assert open(f"{root}/usr/f").read() == "content"


def test_odd_names_owners_attributes_and_holes_match_umoci(tmp_path):
    tree = f"{tmp_path}/bundle"
    checked("umoci", "init", "--layout", f"{tmp_path}/layout")
    checked("umoci", "new", "--image", f"{tmp_path}/layout:odd")
    checked("umoci", "unpack", "--image", f"{tmp_path}/layout:odd", tree)
    root = f"{tree}/rootfs".encode()
    for name in (
        b"caf\xe9",
        b"bad\xff\xfename",
        b"n" * 255,
        "\u65e5\u672c".encode(),
        b"new\nline",
        b" ",
        b"*?[a]\\",
    ):
        with open(root + b"/" + name, "wb") as file:
            file.write(name)
    deep = root + b"/" + b"/".join([b"d" * 100] * 20)
    os.makedirs(deep)
    with open(deep + b"/leaf", "wb") as file:
        file.write(b"leaf")
    with open(root + b"/sparse", "wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"island")
    with open(root + b"/tool", "wb") as file:
        file.write(b"#!/bin/sh\n")
    os.setxattr(root + b"/tool", "security.capability", CAPABILITY)
    os.setxattr(root + b"/tool", "user.note", b"\x00\xffbinary")
    os.setxattr(deep, "user.on-a-directory", b"yes")
    os.link(root + b"/tool", root + b"/tool2")
    os.chown(root + b"/sparse", 123456, 4000000000)
    os.symlink(b"t" * 3000, root + b"/long-link")
    checked("umoci", "repack", "--image", f"{tmp_path}/layout:odd", tree)
    _, ours = imported_tree(tmp_path, f"{tmp_path}/layout", "--ref", "odd")
    assert (
        compare_with_umoci(tmp_path, f"{tmp_path}/layout", "odd", ours) > 30
    ), "files are compared"
    kept = xattrs(ours)
    assert kept["tool"]["security.capability"] == CAPABILITY, "attributes"
    assert kept["tool"]["user.note"] == b"\x00\xffbinary", "attributes"


def test_attributes_that_the_kernel_would_interpret_are_dropped(tmp_path):
    pax = {
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.user.overlay.redirect": "/etc",
        "SCHILY.xattr.security.selinux": "label",
        "SCHILY.xattr.user.kept": "yes",
    }
    layout = Layout(f"{tmp_path}/layout").add(
        [make_tar([member("d", mode=0o755, pax=pax), member("d/f", b"x", pax=pax)])]
    )
    _, root = imported_tree(tmp_path, layout.path)
    assert xattrs(root) == {"d": {"user.kept": b"yes"}, "d/f": {"user.kept": b"yes"}}, "attributes"


def test_device_nodes_are_dropped_or_kept_by_a_flag(tmp_path):
    null = member("usr/null", kind=tarfile.CHRTYPE)
    null[0].devmajor, null[0].devminor = 1, 3
    wide = member("usr/wide", kind=tarfile.BLKTYPE)
    wide[0].devmajor, wide[0].devminor = 259, 70000
    layout = Layout(f"{tmp_path}/layout").add(
        [
            make_tar(
                [
                    member("usr", mode=0o755),
                    member("usr/f", b"x"),
                    null,
                    wide,
                    member("usr/pipe", kind=tarfile.FIFOTYPE),
                    member("dev/f", b"x"),
                ]
            )
        ]
    )
    _, root = imported_tree(tmp_path, layout.path)
    assert os.listdir(f"{root}/usr") == ["f"], "without the flag"
    _, root = imported_tree(tmp_path, layout.path, "--devices")
    assert sorted(os.listdir(f"{root}/usr")) == ["f", "null", "pipe", "wide"], "with the flag"
    assert [
        (
            os.major(os.stat(f"{root}/usr/{name}").st_rdev),
            os.minor(os.stat(f"{root}/usr/{name}").st_rdev),
        )
        for name in ("null", "wide")
    ] == [(1, 3), (259, 70000)], "numbers"
    assert os.listdir(f"{root}/dev") == [], "/dev"


# ---- what images come as ----


def test_every_form_of_an_image_gives_the_same_rootfs(tmp_path):
    tars = [make_tar(BASE), make_tar(SECOND)]
    Layout(f"{tmp_path}/layout").add(tars)
    forms = [f"{tmp_path}/layout"]
    for compress, kind in ((zstd, "zstd"), (bytes, "none")):
        forms.append(Layout(f"{tmp_path}/{kind}").add(tars, compress=compress, kind=kind).path)
    for transport in ("oci-archive", "docker-archive"):
        forms.append(f"{tmp_path}/{transport}.tar")
        checked(
            "skopeo",
            "--insecure-policy",
            "copy",
            "-q",
            f"oci:{tmp_path}/layout",
            f"{transport}:{forms[-1]}:name/of:it",
        )
    forms.append(f"{tmp_path}/gzipped.tar.gz")
    with open(f"{tmp_path}/oci-archive.tar", "rb") as file, open(forms[-1], "wb") as packed:
        packed.write(gzip.compress(file.read()))
    digests = [imported_tree(tmp_path, form)[0]["digest"] for form in forms]
    for name in ("oci-archive.tar", "docker-archive.tar"):
        with open(f"{tmp_path}/{name}", "rb") as file:
            done = run(
                "import",
                "--json",
                "--name",
                "in:1",
                "--store",
                f"{tmp_path}/store",
                "-",
                stdin=file.read(),
            )
        assert done.returncode == 0, done.stderr.decode()
        digests.append(json.loads(done.stdout)["digest"])
    assert set(digests) == {digests[0]}, "digests"


def test_multi_arch_images_are_chosen_by_arch(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    for arch in ("amd64", "arm64", "s390x"):
        layout.add([make_tar([member("arch", arch.encode())])], arch=arch)
    for arch, wanted in (("arm64", "arm64"), ("x86_64", "amd64"), ("s390x", "s390x")):
        done = run(
            "import",
            "--json",
            "--name",
            "a:1",
            "--store",
            f"{tmp_path}/store",
            "--arch",
            arch,
            layout.path,
        )
        entry = json.loads(done.stdout)
        root = unpacked(tmp_path, f"{tmp_path}/store/{entry['digest'][7:]}/rootfs.squashfs")
        assert entry["architecture"] == wanted, arch
        assert open(f"{root}/arch").read() == wanted, arch
    done = run(
        "import", "--name", "a:1", "--store", f"{tmp_path}/store", "--arch", "riscv64", layout.path
    )
    assert (
        b"there is no image for riscv64; available: latest amd64, latest arm64, latest s390x"
        in done.stderr
    )


def test_one_of_several_images_is_chosen_by_its_name(tmp_path):
    layout = Layout(f"{tmp_path}/layout")
    for name in ("one", "two"):
        layout.add([make_tar([member("name", name.encode())])], name=name)
    assert (
        b"several images"
        in run("import", "--name", "a:1", "--store", f"{tmp_path}/store", layout.path).stderr
    )
    _, root = imported_tree(tmp_path, layout.path, "--ref", "two")
    assert open(f"{root}/name").read() == "two", "content"


# ---- the configuration ----


def test_the_configuration_becomes_the_catalog_entry(tmp_path):
    config = {
        "Entrypoint": ["/usr/bin/tool", "--run"],
        "Cmd": ["all"],
        "Env": ["A=1", "PATH=/x"],
        "WorkingDir": "/srv",
        "User": "web",
        "StopSignal": "SIGINT",
        "Labels": {
            "pe.description": "a tool",
            "pe.categories": '["compiler"]',
            "pe.warmup": '["tool", "warm"]',
            "pe.inputs": '[{"type": "text/x-tool", "patterns": ["*.tool"]}]',
            "other": "ignored",
        },
    }
    entry, _ = imported_tree(
        tmp_path,
        Layout(f"{tmp_path}/layout").add([make_tar([*BASE, member("srv/f", b"x")])], config).path,
    )
    wanted = {
        "entrypoint": ["/usr/bin/tool", "--run"],
        "cmd": ["all"],
        "default_cmd": ["/usr/bin/tool", "--run", "all"],
        "env": ["A=1", "PATH=/x", "HOME=/var/www"],
        "working_dir": "/srv",
        "stop_signal": "SIGINT",
        "user": {"name": "web", "uid": 33, "gid": 44, "groups": [77, 8]},
        "description": "a tool",
        "architecture": "amd64",
        "categories": ["compiler"],
        "warmup": ["tool", "warm"],
        "inputs": [{"type": "text/x-tool", "patterns": ["*.tool"]}],
    }
    assert {key: entry.get(key) for key in wanted} == wanted, "entry"


def test_the_images_command_runs_in_its_working_directory_if_that_has_files(tmp_path):
    members = [
        member("app", mode=0o755),
        member("app/run", b"#!/bin/sh", mode=0o755),
        member("app/empty", mode=0o755),
        symlink("link", "/app"),
        member("work/f", b"hidden by the job's files"),
    ]
    layers = [make_tar(members)]
    cases = [
        # (WorkingDir, Entrypoint, other fields) -> (working_dir, first word of the command)
        ("/app", "./run", {}, "/app", "./run"),
        ("/link", "tool", {}, "/link", "tool"),
        ("app", "./run", {}, "/app", "./run"),
        ("/app/empty", "tool", {}, "", "tool"),
        ("/app/empty", "../run", {}, "", "/app/empty/../run"),
        ("/app/empty", "./of-the-user", {}, "", "./of-the-user"),
        ("/none", "tool", {}, "", "tool"),
        ("/app/run", "tool", {}, "", "tool"),
        ("/work", "tool", {}, "", "tool"),
        ("/", "tool", {}, "", "tool"),
        ("/", "./app/run", {}, "", "/app/run"),
        ("", "app/run", {}, "", "/app/run"),
        ("/", "/app/run", {}, "", "/app/run"),
        ("/app", "./run", {"Labels": {"pe.default_cmd": '["cc", "{files}"]'}}, "", "cc"),
        (
            "/",
            "./run",
            {"Labels": {"pe.working_dir": '"/app"', "pe.default_cmd": '["./run"]'}},
            "/app",
            "./run",
        ),
    ]
    for number, (directory, entrypoint, fields, wanted, program) in enumerate(cases):
        config = {"WorkingDir": directory, "Entrypoint": [entrypoint], **fields}
        layout = Layout(f"{tmp_path}/{number}").add(layers, config)
        entry, _ = imported_tree(tmp_path, layout.path)
        assert (entry["working_dir"], entry["default_cmd"][0]) == (wanted, program), cases[number]
    layout = Layout(f"{tmp_path}/options").add(layers, {"WorkingDir": "/app", "Cmd": ["./run"]})
    entry, _ = imported_tree(tmp_path, layout.path, "--cmd", '["cc", "{files}"]')
    assert entry["working_dir"] == "", "--cmd"
    entry, _ = imported_tree(tmp_path, layout.path, "--workdir", "/etc")
    assert entry["working_dir"] == "/etc", "--workdir"
    done = run("import", "--name", "a:1", "--workdir", "etc", layout.path)
    assert b"'working_dir' must be an absolute path" in done.stderr, "a relative --workdir"


def test_users_are_found_in_the_images_own_files(tmp_path):
    cases = {
        "": (0, 0, []),
        "root": (0, 0, []),
        "33": (33, 44, [77, 8]),
        "web:mail": (33, 8, []),
        "1234": (1234, 0, []),
        "1234:77": (1234, 77, []),
        "web:99": (33, 99, []),
    }
    for user, (uid, gid, groups) in cases.items():
        layout = Layout(f"{tmp_path}/{user or 'none'}").add([make_tar(BASE)], {"User": user})
        found = imported_tree(tmp_path, layout.path)[0]["user"]
        assert found["uid"] == uid, user
        assert found["gid"] == gid, user
        assert found["groups"] == groups, user
    for user, message in (
        ("nobody", b"user 'nobody', but its /etc/passwd has no such user"),
        ("web:none", b"group 'none'"),
        ("4294967295", b"'4294967295'"),
    ):
        layout = Layout(f"{tmp_path}/bad-{user}").add([make_tar(BASE)], {"User": user})
        done = run("import", "--name", "a:1", "--store", f"{tmp_path}/store", layout.path)
        assert message in done.stderr


def test_users_are_found_where_links_of_the_image_lead(tmp_path):
    passwd = member(
        "nix/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
    )
    group = member("nix/group", b"app:x:1001:\nmore:x:7:app\n")
    lower = [member("nix", mode=0o755), passwd, group]
    etc = member("etc", mode=0o755)
    cases = {
        "absolute": [etc, symlink("etc/passwd", "/nix/passwd"), symlink("etc/group", "/nix/group")],
        "relative": [
            etc,
            symlink("etc/passwd", "../nix/passwd"),
            symlink("etc/group", "../nix/group"),
        ],
        "directory": [symlink("etc", "/nix")],
        "chain": [
            symlink("etc", "a/b"),
            symlink("a", "/"),
            member("b", mode=0o755),
            symlink("b/passwd", "/etc/../../nix/passwd"),
            link("b/group", "nix/group"),
        ],
    }
    for name, members in cases.items():
        for number, tars in enumerate(
            ([make_tar(lower), make_tar(members)], [make_tar(members + lower)])
        ):
            if name == "chain" and number == 1:
                continue  # its hard link needs a file that exists
            layout = Layout(f"{tmp_path}/{name}{number}").add(tars, {"User": "app"})
            entry, _ = imported_tree(tmp_path, layout.path)
            assert entry["user"] == {"name": "app", "uid": 1000, "gid": 1000, "groups": [7]}, name
            assert "HOME=/home/app" in entry["env"], name
    layout = Layout(f"{tmp_path}/group").add(
        [make_tar(lower + cases["relative"])], {"User": "0:app"}
    )
    assert imported_tree(tmp_path, layout.path)[0]["user"]["gid"] == 1001, "group"
    for name, members in {
        "loop": [etc, symlink("etc/passwd", "passwd")],
        "dangling": [etc, symlink("etc/passwd", "/nowhere")],
        "folder": [member("etc/passwd", mode=0o755)],
        "outside": [etc, symlink("etc/passwd", "../../../../../../etc/passwd")],
    }.items():
        layout = Layout(f"{tmp_path}/{name}").add([make_tar(members)], {"User": "daemon"})
        refused_layout(tmp_path, layout, b"its /etc/passwd has no such user")


def test_metadata_is_read_from_pe_json_and_from_options(tmp_path):
    layout = Layout(f"{tmp_path}/layout").add(
        [make_tar(BASE)], {"Labels": {"pe.description": "from the label"}}
    )
    meta = {
        "description": "from pe.json",
        "categories": ["a", "b"],
        "commands": [{"files": "**.c", "cmd": ["cc", "{files}"]}],
        "options": {
            "properties": {
                "level": {"type": "string", "enum": ["0", "1"], "default": "1", "argv": ["-O{}"]}
            }
        },
        "examples": [{"file": "a.c", "text": "int main;"}],
    }
    with open(f"{tmp_path}/layout/pe.json", "w") as file:
        json.dump(meta, file)
    entry, _ = imported_tree(tmp_path, layout.path)
    assert {key: entry.get(key) for key in meta} == meta, "entry"
    with open(f"{tmp_path}/other.json", "w") as file:
        json.dump({"description": "from --meta"}, file)
    assert (
        imported_tree(tmp_path, layout.path, "--meta", f"{tmp_path}/other.json")[0]["description"]
        == "from --meta"
    ), "description"
    assert (
        imported_tree(tmp_path, layout.path, "--description", "said")[0]["description"] == "said"
    ), "description"
    wrong = [
        ({"descripton": "x"}, b"unknown field 'descripton'"),
        ({"inputs": [{"patterns": ["*"]}]}, b"media 'type'"),
        ({"options": {"properties": {"o": {"type": "object", "argv": []}}}}, b"option 'o'"),
        (
            {"options": {"properties": {"o": {"type": "integer", "default": "x", "argv": []}}}},
            b"default is not of its",
        ),
        ({"examples": [{"file": "x"}]}, b"'examples'"),
        ({"examples": [{"file": "x", "text": "x" * 70000}]}, b"65536"),
        ([], b"not a JSON object"),
    ]
    for content, message in wrong:
        with open(f"{tmp_path}/other.json", "w") as file:
            json.dump(content, file)
        done = run(
            "import",
            "--name",
            "a:1",
            "--store",
            f"{tmp_path}/store",
            "--meta",
            f"{tmp_path}/other.json",
            layout.path,
        )
        assert done.returncode != 0, str(content)[:60]
        assert message in done.stderr


# ---- hostile images ----


def refused_layout(tmp_path, layout, message, *arguments):
    done = run(
        "import",
        "--name",
        "bad:1",
        "--store",
        f"{tmp_path}/bad",
        "--arch",
        "amd64",
        *arguments,
        layout.path,
    )
    assert done.returncode in (1, 2), f"status {done.returncode}"
    assert message in done.stderr
    assert sorted(os.listdir(f"{tmp_path}/bad")) == [".lock", "names"], "store"
    assert os.listdir(f"{tmp_path}/bad/names") == [], "names"


def test_layers_with_hostile_members_are_refused(tmp_path):
    cases = [
        ([member("../evil", b"x")], b"'..'"),
        ([symlink("a", "b"), symlink("b", "a"), member("a/f", b"x")], b"40 symbolic links"),
        (
            [symlink("a", "b"), symlink("b", "/a/.."), member("a/" + WHITEOUT + "f", b"")],
            b"40 symbolic links",
        ),
        ([symlink("a", "x/" * 2000), member("a/" + "y/" * 100 + "f", b"")], b"4095 bytes"),
        ([symlink("a", "n" * 256), member("a/f", b"")], b"255 bytes"),
        ([symlink("a", "usr/f"), member("a/f", b"")], b"has a file among its parent"),
        ([member("d/" + WHITEOUT, b"")], b"whiteout without a name"),
        ([member("d/" + WHITEOUT + "..", b"")], b"without a name"),
        ([symlink("d", "/d"), member("d/" + OPAQUE, b"")], b"40 symbolic links"),
        ([link("a", "b"), link("b", "a")], b"hard link"),
        ([link("a", "a")], b"hard link"),
        ([link("a", "../../etc/passwd")], b"'..'"),
    ]
    cases += [
        ([symlink(name, "/etc")], b"a symbolic link, but a job needs a directory")
        for name in ("dev", "proc", "sys", "work", "input", "output")
    ]
    for number, (members, message) in enumerate(cases):
        layout = Layout(f"{tmp_path}/{number}").add(
            [make_tar([member("usr/f", b"x")]), make_tar(members)]
        )
        refused_layout(tmp_path, layout, message)


def test_symlinks_below_mount_points_are_dropped(tmp_path):
    layout = Layout(f"{tmp_path}/layout").add(
        [
            make_tar(
                [
                    member("usr/f", b"x"),
                    symlink("proc/self", "/etc"),
                    symlink("dev/pts", "/etc"),
                    symlink("dev/shm", "/etc"),
                    symlink("sys/fs", "/etc"),
                    member("dev/pe-shim", b"evil"),
                    symlink("also", "/dev"),
                    member("also/pe-shim", b"evil"),
                ]
            )
        ]
    )
    _, root = imported_tree(tmp_path, layout.path)
    assert [os.listdir(f"{root}/{name}") for name in ("dev", "proc", "sys")] == [
        [],
        [],
        [],
    ], "what is below"


def test_blobs_with_a_wrong_size_digest_or_type_are_refused(tmp_path):
    tar = make_tar([member("usr/f", os.urandom(5000))])

    def set_size(manifest, document):
        manifest["layers"][0]["size"] += 1

    def set_diff_id(manifest, document):
        document["rootfs"]["diff_ids"] = [sha256(b"another")]

    def drop_diff_id(manifest, document):
        document["rootfs"]["diff_ids"] = []

    def weak_digest(manifest, document):
        manifest["layers"][0]["digest"] = "md5:00"

    def up_and_out(manifest, document):
        manifest["layers"][0]["digest"] = "sha256:../../../etc/passwd"

    def encrypted(manifest, document):
        manifest["layers"][0]["mediaType"] += "+encrypted"

    for change, message in (
        (set_size, b"bytes instead of"),
        (set_diff_id, b"diff id is"),
        (drop_diff_id, b"lists 0 layers"),
        (weak_digest, b"sha256:<64"),
        (up_and_out, b"sha256:<64"),
        (encrypted, b"only tar layers"),
    ):
        refused_layout(
            tmp_path, Layout(f"{tmp_path}/{change.__name__}").add([tar], change=change), message
        )
    for spoiled, message in (
        ("layer", b"its digest is"),
        ("manifest", b"with digest"),
        ("config", b"with digest"),
    ):
        layout = Layout(f"{tmp_path}/{spoiled}").add([tar])
        manifest = json.load(
            open(f"{layout.path}/blobs/sha256/{layout.manifests[0]['digest'][7:]}")
        )
        digest = {
            "layer": manifest["layers"][0]["digest"],
            "config": manifest["config"]["digest"],
            "manifest": layout.manifests[0]["digest"],
        }[spoiled]
        path = f"{layout.path}/blobs/sha256/{digest[7:]}"
        content = bytearray(open(path, "rb").read())
        content[
            9 if spoiled == "layer" else -1
        ] ^= 1  # of gzip: the operating system, which nobody looks at
        layout.write("blobs/sha256/" + digest[7:], content)
        refused_layout(tmp_path, layout, message)


def test_a_layer_with_bytes_after_its_end_is_read_to_the_last_byte(tmp_path):
    tar = make_tar([member("usr/f", b"x")])
    layout = Layout(f"{tmp_path}/layout").add(
        [tar], compress=lambda content: gzip.compress(content) + b"\0" * 512
    )
    imported_tree(tmp_path, layout.path)
    layout = Layout(f"{tmp_path}/more").add([tar + b"\0" * 100000])
    imported_tree(tmp_path, layout.path)


def test_decompression_bombs_are_refused(tmp_path):
    zeroes = make_tar([member("usr/f", b"\0" * (40 << 20))])
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/zeroes").add([zeroes]),
        b"more bytes than an image may",
        "--max-mib",
        "30",
    )
    imported_tree(tmp_path, f"{tmp_path}/zeroes", "--max-mib", "50")
    trailing = make_tar([member("usr/f", b"x")]) + b"\0" * (40 << 20)
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/trailing").add([trailing]),
        b"unpacks to more",
        "--max-mib",
        "30",
    )
    nested = Layout(f"{tmp_path}/nested").add(
        [zeroes], compress=lambda content: gzip.compress(gzip.compress(content))
    )
    refused_layout(tmp_path, nested, b"more", "--max-mib", "30")
    # A gigabyte that is all hole takes no bytes in the tar.
    hole = io.BytesIO()
    with tarfile.open(fileobj=hole, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("usr/hole")
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "usr/hole",
            "GNU.sparse.realsize": str(1 << 30),
        }
        content = b"1\n1073741824\n0\n".ljust(512, b"\0")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/hole").add([hole.getvalue()]),
        b"more bytes than an image may have",
        "--max-mib",
        "30",
    )
    _, root = imported_tree(tmp_path, f"{tmp_path}/hole")
    assert os.stat(f"{root}/usr/hole").st_size == 1 << 30, "size of the hole when it is allowed"


def test_millions_of_entries_are_refused(tmp_path):
    one = member("f", b"")[0].tobuf(tarfile.USTAR_FORMAT)
    tar = one * 1000001 + b"\0" * 1024
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/layout").add([tar], compress=lambda content: gzip.compress(content, 1)),
        b"more than 1000000 members",
    )


def test_attributes_that_fill_the_memory_are_refused(tmp_path):
    pax = {f"SCHILY.xattr.user.a{number}": "x" * 65536 for number in range(15)}
    members = [member(f"f{number}", b"", pax=pax) for number in range(300)]
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/layout").add(
            [make_tar(members)], compress=lambda content: gzip.compress(content, 1)
        ),
        b"extended attributes of the image have more than 256 MiB",
    )


def test_members_behind_many_long_links_are_refused(tmp_path):
    folder = "/".join([character * 255 for character in "abcdefghijklmno"])
    links = [
        symlink(f"l{n}", f"/{folder}" + (f"/l{n - 1}" if n else "")) for n in range(20)
    ]
    inside = [symlink(f"{folder}/l{n}", f"/l{n}") for n in range(20)]
    members = [member(folder, mode=0o755), *links, *inside]
    members += [member(f"l19/{n}", mode=0o755) for n in range(6000)]
    refused_layout(
        tmp_path,
        Layout(f"{tmp_path}/layout").add([make_tar(members)]),
        b"through symbolic links with more than 256 MiB of paths",
    )


def test_documents_that_are_not_images_are_refused(tmp_path):
    layout = Layout(f"{tmp_path}/layout").add([make_tar([member("f", b"x")])])
    for content, message in (
        (b"{", b"not valid JSON"),
        (b"[]", b"no array 'manifests'"),
        (b'{"manifests": [{}]}', b"digest is not"),
        (b'{"manifests": []}', b"there is no image"),
    ):
        layout.write("index.json", content)
        refused_layout(tmp_path, layout, message)
    os.unlink(f"{layout.path}/index.json")
    refused_layout(tmp_path, layout, b"neither index.json")
    os.mkfifo(f"{layout.path}/index.json")
    refused_layout(tmp_path, layout, b"neither index.json")
