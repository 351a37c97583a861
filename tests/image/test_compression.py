# SPDX-License-Identifier: Apache-2.0
"""How images are compressed: with lz4, or with zstd if the user asks for smaller ones."""
import os
import pathlib
import random
import struct
import subprocess

from fixtures.pe_image import PE_IMAGE, checked, imported, make_tar, member, run

LZ4, ZSTD = 5, 6  # compressors of a squashfs superblock


def superblock(path):
    """The compressor and the bytes that are used; the file is longer, because it is padded."""
    with open(path, "rb") as file:
        return struct.unpack("<20xH18xQ", file.read(48))


def text(size):
    """Bytes that can be compressed, but do not repeat."""
    return b"".join(b"%d\n" % number for number in range(size // 6))[:size]


def unpacked(path, folder):
    subprocess.run(["unsquashfs", "-q", "-n", "-d", folder, path], check=True, capture_output=True)
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_an_image_is_compressed_with_lz4_unless_zstd_is_asked_for(tmp_path):
    tar = make_tar([member("a", text(1000000))])
    quick = imported(tmp_path, tar, "quick:1")
    small = imported(tmp_path, tar, "small:1", "--compress", "zstd")
    (first, quick_bytes), (second, small_bytes) = superblock(quick), superblock(small)
    assert (first, second) == (LZ4, ZSTD)
    assert small_bytes < quick_bytes < 1000000
    assert unpacked(quick, f"{tmp_path}/quick") == {"a": text(1000000)}
    assert unpacked(small, f"{tmp_path}/small") == {"a": text(1000000)}


def test_blocks_that_do_not_get_smaller_are_stored_as_they_are(tmp_path):
    """Linux refuses a compressed block that is larger than what is in it."""
    noise = random.Random(1)
    files = {"small": noise.randbytes(11), "block": noise.randbytes(1 << 17), "large": noise.randbytes(300001)}
    path = imported(tmp_path, make_tar([member(name, content) for name, content in files.items()]))
    assert superblock(path)[1] >= sum(map(len, files.values()))
    assert unpacked(path, f"{tmp_path}/root") == files


def test_combined_images_are_compressed_as_the_first_one(tmp_path):
    store = f"{tmp_path}/store"
    imported(tmp_path, make_tar([member("a", text(500000))]), "small:1", "--compress", "zstd")
    imported(tmp_path, make_tar([member("b", text(700000))]), "quick:1")
    checked(PE_IMAGE, "combine", "--store", store, "small:1", "quick:1")
    (path,) = {f"{store}/{name}/rootfs.squashfs" for name in os.listdir(store) if len(name) == 64}
    assert superblock(path)[0] == ZSTD
    files = unpacked(path, f"{tmp_path}/root")
    assert files == {"small-1/a": text(500000), "quick-1/b": text(700000)}


def test_another_compressor_is_refused(tmp_path):
    done = run("import", "--name", "a:1", "--store", f"{tmp_path}/store", "--compress", "gzip", "-", stdin=b"")
    assert done.returncode == 2
    assert b"there is no compressor 'gzip'; choose lz4 or zstd" in done.stderr
