# SPDX-License-Identifier: Apache-2.0
"""Root filesystem tars in, what unsquashfs and the kernel read out; hostile ones."""
import hashlib
import os
import stat
import subprocess
import tarfile

from fixtures.pe_image import (
    MOUNT_POINTS,
    assert_import_refused,
    checked,
    imported,
    listing,
    make_tar,
    member,
    run,
    unpacked,
)

# ---- fidelity ----


def test_a_tree_is_stored_unchanged(tmp_path):
    big = bytes(range(256)) * 3000
    os.umask(0)
    members = [
        member("./", mode=0o755),
        member("./etc", mode=0o755),
        member("./etc/passwd", b"root", mode=0o600),
        member("./usr/bin/tool", big, mode=0o4755, uid=5, gid=6, mtime=1700000000),
        member("./empty", b""),
        member("./zeroes", b"\0" * 500000),
        member("./hard", kind=tarfile.LNKTYPE, target="./usr/bin/tool"),
        member("./etc/also", kind=tarfile.LNKTYPE, target="etc/passwd"),
        member("./bin", kind=tarfile.SYMTYPE, target="usr/bin", mode=0o777),
        member("./loop", kind=tarfile.SYMTYPE, target="/loop", mode=0o777),
        member("./big uid", b"x", uid=100000, gid=4000000000),
        member("./na\xefve \u65e5", b"utf8"),
        member("./var/" + "d/" * 60 + "deep", b"deep"),
        member("./" + "n" * 255, b"long"),
    ]
    out = unpacked(tmp_path, imported(tmp_path, make_tar(members)))
    found = listing(out)
    tool = found["usr/bin/tool"]
    assert tool == (
        stat.S_IFREG | 0o4755,
        5,
        6,
        1700000000,
        2,
        hashlib.sha256(big).hexdigest(),
    ), "tool"
    assert found["hard"] == tool, "hard link"
    assert os.stat(f"{out}/hard").st_ino == os.stat(f"{out}/usr/bin/tool").st_ino, "inode"
    assert found["etc/passwd"][:5] == (stat.S_IFREG | 0o600, 0, 0, 1000, 2), "passwd"
    assert found["bin"][5] == "usr/bin", "targets"
    assert found["loop"][5] == "/loop", "targets"
    assert open(f"{out}/zeroes", "rb").read() == b"\0" * 500000, "zeroes"
    assert found["big uid"][1:3] == (100000, 4000000000), "owner"
    assert "na\xefve \u65e5" in found and "n" * 255 in found, "names"
    assert open(f"{out}/var/" + "d/" * 60 + "deep").read() == "deep", "deep file"


def test_a_directory_may_have_many_files(tmp_path):
    members = [member(f"d/{n:05}", str(n).encode()) for n in range(6000, 0, -1)]
    members += [member(f"d/sub{n}/f", b"x") for n in range(300)]
    out = unpacked(tmp_path, imported(tmp_path, make_tar(members)))
    assert len(os.listdir(f"{out}/d")) == 6300, "count"
    assert open(f"{out}/d/04321").read() == "4321", "content"


def test_the_kernel_reads_the_image(tmp_path):
    members = [member(f"d/{n}", os.urandom(n * 37)) for n in range(400)]
    path = imported(tmp_path, make_tar(members))
    os.makedirs(f"{tmp_path}/mnt")
    checked("mount", "-o", "loop,ro", "-t", "squashfs", path, f"{tmp_path}/mnt")
    try:
        assert listing(f"{tmp_path}/mnt") == listing(unpacked(tmp_path, path)), "tree"
    finally:
        checked("umount", f"{tmp_path}/mnt")


def test_every_compression_is_read(tmp_path):
    tar = make_tar([member("usr/f", b"content" * 1000)])
    variants = [
        tar,
        make_tar([member("usr/f", b"content" * 1000)], "w:gz"),
        make_tar([member("usr/f", b"content" * 1000)], "w:xz"),
        make_tar([member("usr/f", b"content" * 1000)], "w:bz2"),
    ]
    variants.append(
        subprocess.run(["zstd", "-c"], input=tar, capture_output=True, check=True).stdout
    )
    digests = {
        os.path.basename(os.path.dirname(imported(tmp_path, variant))) for variant in variants
    }
    assert len(digests) == 1, "digests"


def test_the_same_tar_gives_the_same_image(tmp_path):
    members = [
        member(f"usr/{n}", os.urandom(50000) if n % 3 else b"same" * 9999) for n in range(60)
    ]
    first = imported(tmp_path, make_tar(members))
    second = imported(tmp_path, make_tar(members), "test:1", "--description", "again")
    assert first == second, "path"
    assert b"again" in run("ls", "--store", f"{tmp_path}/store").stdout


def test_mount_points_are_made_and_api_mounts_emptied(tmp_path):
    out = unpacked(
        tmp_path,
        imported(
            tmp_path,
            make_tar(
                [
                    member("dev", mode=0o700),
                    member("dev/null", b"x"),
                    member("proc/1/cmdline", b"x"),
                    member("usr/f", b"x"),
                    member("usr/node", kind=tarfile.CHRTYPE),
                    member("usr/pipe", kind=tarfile.FIFOTYPE),
                ]
            ),
        ),
    )
    found = listing(out)
    for name, mode in MOUNT_POINTS.items():
        assert os.listdir(f"{out}/{name}") == [], name
        assert stat.S_IMODE(found[name][0]) == (0o700 if name == "dev" else mode), f"mode of {name}"
    assert os.listdir(f"{out}/usr") == ["f"], "device nodes are dropped"


def test_names_that_begin_with_a_slash_are_relative_to_the_root(tmp_path):
    members = [
        member("/", mode=0o755),
        member("/usr/lib", mode=0o755),
        member("/lib", kind=tarfile.SYMTYPE, target="/usr/lib"),
        member("/lib/f", b"f"),
        member("/hard", kind=tarfile.LNKTYPE, target="/lib/f"),
    ]
    out = unpacked(tmp_path, imported(tmp_path, make_tar(members)))
    assert open(f"{out}/usr/lib/f").read() == "f", "content"
    assert os.stat(f"{out}/hard").st_nlink == 2, "links"


def test_later_members_replace_earlier_ones(tmp_path):
    out = unpacked(
        tmp_path,
        imported(
            tmp_path,
            make_tar(
                [
                    member("usr/f", b"old"),
                    member("usr/f", b"new"),
                    member("usr/kept", kind=tarfile.LNKTYPE, target="usr/f"),
                    member("usr/f", b"newest"),
                    member("usr/d/x", b"x"),
                    member("usr/d", b"now a file"),
                    member("usr/l", kind=tarfile.SYMTYPE, target="/etc"),
                    member("usr/l", mode=0o755),
                    member("usr/l/y", b"y"),
                    member("usr", mode=0o711),
                ]
            ),
        ),
    )
    read = lambda name: open(f"{out}/usr/{name}").read()
    assert [read(name) for name in ("f", "kept", "d", "l/y")] == [
        "newest",
        "new",
        "now a file",
        "y",
    ], "contents"
    assert os.stat(f"{out}/usr/kept").st_nlink == 1, "links"
    assert stat.S_IMODE(os.stat(f"{out}/usr").st_mode) == 0o711, "mode"


# ---- hostile and broken archives ----


def test_hostile_names_are_refused(tmp_path):
    ok = member("usr/f", b"x")
    cases = [
        ([member("../evil", b"x")], b"'..'"),
        ([member("usr/../../evil", b"x")], b"'..'"),
        ([member("n" * 256, b"x")], b"more than 255 bytes"),
        ([member("a/" * 2100 + "f", b"x")], b"more than 4095 bytes"),
        (
            [member("link", kind=tarfile.SYMTYPE, target="/link"), member("link/passwd", b"x")],
            b"symbolic links",
        ),
        ([ok, member("usr/f/below", b"x")], b"has a file among its parent"),
        ([ok, member("hard", kind=tarfile.LNKTYPE, target="../../etc/passwd")], b"'..'"),
        ([ok, member("hard", kind=tarfile.LNKTYPE, target="nothing")], b"hard link"),
        ([ok, member("hard", kind=tarfile.LNKTYPE, target="usr")], b"hard link"),
        (
            [ok, member("work", kind=tarfile.SYMTYPE, target="/etc")],
            b"/work of this root filesystem",
        ),
        ([ok, member("neg", b"x", uid=-5)], b"owner"),
    ]
    for members, message in cases:
        assert_import_refused(tmp_path, make_tar(members), message)


def test_archives_that_are_not_a_root_filesystem_are_refused(tmp_path):
    tar = make_tar([member("usr/f", os.urandom(100000))])
    assert_import_refused(tmp_path, b"", b"standard input")
    assert_import_refused(tmp_path, b"not a tar at all" * 100, b"standard input")
    assert_import_refused(tmp_path, make_tar([]), b"empty")
    assert_import_refused(tmp_path, tar[:60000], b"standard input: Truncated")
    assert_import_refused(
        tmp_path, make_tar([member("usr/f", os.urandom(100000))], "w:gz")[:50000], b"standard input"
    )
    assert_import_refused(
        tmp_path,
        make_tar([member("manifest.json", b"[]"), member("a" * 64 + "/layer.tar", b"")]),
        b"has 0 images",
    )
