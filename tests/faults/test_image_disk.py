# SPDX-License-Identifier: Apache-2.0
"""A store of images whose disk has no room for one more."""
import os
import random

from fixtures.pe_image import imported, make_tar, member, run
from fixtures.small_disk import SmallDisk

MIB = 1 << 20


def test_an_import_onto_a_full_disk_says_so_and_leaves_the_store_as_it_was():
    disk = SmallDisk(mib=16)
    try:
        imported(disk.path, make_tar([member("small", b"1")]), "small:1")
        before = sorted(os.walk(f"{disk.path}/store"))
        large = make_tar([member("large", random.Random(1).randbytes(20 * MIB))])
        store = ("--store", f"{disk.path}/store")
        done = run("import", "--name", "large:1", *store, "-", stdin=large)
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr
        assert sorted(os.walk(f"{disk.path}/store")) == before
        disk.fill()
        done = run("import", "--name", "other:1", *store, "-", stdin=make_tar([member("x", b"1")]))
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr
        assert sorted(os.walk(f"{disk.path}/store")) == before
        disk.free()
        imported(disk.path, make_tar([member("other", b"2")]), "other:1")
    finally:
        disk.remove()
