# SPDX-License-Identifier: Apache-2.0
"""Squashfs images that say what is not true, as another host's store may have them: `combine` and
`export` end with an error that says what is wrong, within a bounded memory."""
import hashlib
import json
import os
import re
import resource
import struct
import subprocess

import pytest

from fixtures.paths import SANITIZED
from fixtures.pe_image import PE_IMAGE, imported, make_tar, member, run
from fixtures.squashfs import (
    COMPRESSOR_OPTIONS,
    DIRECTORY,
    FILE,
    META,
    NO_FRAGMENTS,
    NO_XATTRS,
    NOWHERE,
    OUT_OF_LINE,
    SYMLINK,
    Node,
    Squashfs,
    attribute,
    zeroes_in_zstd,
)
from fixtures.waiting import PATIENCE

# More than reading any of these images needs. With what libraries map, a pe-image that has nothing
# to do has about 250 MB.
MEMORY_MAX = 1 << 30


def add(folder, content, name="crafted:1"):
    """Put an image into the store as it is, as `fetch` does."""
    digest = hashlib.sha256(content).hexdigest()
    os.makedirs(f"{folder}/store/{digest}", exist_ok=True)
    os.makedirs(f"{folder}/store/names", exist_ok=True)
    with open(f"{folder}/store/{digest}/rootfs.squashfs", "wb") as file:
        file.write(content)
    with open(f"{folder}/store/names/{name}.json", "w", encoding="utf-8") as file:
        entry = {"name": name, "digest": f"sha256:{digest}", "rootfs_bytes": len(content)}
        json.dump(entry, file)


def limit_memory():
    if not SANITIZED:  # a sanitizer maps far more than it uses, and has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


def limited(folder, *arguments):
    """Run pe-image with little memory."""
    return subprocess.run(
        [PE_IMAGE, arguments[0], "--store", f"{folder}/store", *arguments[1:]],
        capture_output=True,
        timeout=20 * PATIENCE,
        preexec_fn=limit_memory,
        env={**os.environ, "ASAN_OPTIONS": f"hard_rss_limit_mb={MEMORY_MAX >> 20}"},
    )


def tree(folder, name="crafted:1"):
    """The names in an exported image."""
    done = limited(folder, "export", name, f"{folder}/out.tar")
    assert done.returncode == 0, done.stderr.decode()
    listed = subprocess.run(
        ["tar", "tf", f"{folder}/out.tar"], capture_output=True, check=True, text=True
    )
    return listed.stdout.split()


def root(*entries):
    return Node(entries=list(entries))


def image(*entries, **fields):
    made = Squashfs(root(*entries))
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def file(content=b"hello", **fields):
    return Node(FILE, content=content, **fields)


# ---- directories ----


def inside_itself():
    node = Node()
    node.entries = [(b"again", node)]
    return image((b"d", node))


def root_inside_itself():
    made = image()
    made.root.entries = [(b"again", made.root)]
    return made


def in_each_other():
    one, two = Node(), Node()
    one.entries, two.entries = [(b"two", two)], [(b"one", one)]
    return image((b"one", one))


def in_each_other_with_one_number():
    """libsquashfs compares numbers to find circles; these two look alike and different."""
    made = in_each_other()
    made.root.entries[0][1].number = 7
    made.root.entries[0][1].entries[0][1].number = 7
    made.super = {"inode_count": 10}
    return made


def two_names():
    node = Node()
    return image((b"a", node), (b"b", node))


def doubling():
    """Thirty directories, each with two names: 2 to the power of 30 paths."""
    node = Node()
    for _ in range(30):
        node = Node(entries=[(b"a", node), (b"b", node)])
    return image((b"d", node))


def deep(count):
    node = Node()
    for _ in range(count):
        node = Node(entries=[(b"d", node)])
    return image((b"d", node))


DIRECTORIES = {
    "a directory inside itself": (inside_itself, "inside itself"),
    "the root inside itself": (root_inside_itself, "inside itself"),
    "two directories inside each other": (in_each_other, "inside itself"),
    "such directories with one number": (in_each_other_with_one_number, "inside itself"),
    "a directory with two names": (two_names, "second name"),
    "directories with exponentially many paths": (doubling, "second name"),
    "directories of a depth of 100,000": (lambda: deep(100000), "path of more than 4095 bytes"),
    "a listing behind the end": (
        lambda: image((b"d", Node(says_size=60000))),
        "cannot read a directory",
    ),
    "an index of 4 GiB": (
        lambda: image((b"d", Node(index=struct.pack("<III", 0, 0, 0xFFFFFFF0), index_count=9))),
        None,
    ),
    "a file where its directory says that there is a directory": (
        lambda: image((b"d", file(says_kind=DIRECTORY))),
        "another type",
    ),
    "a root that is a file": (lambda: Squashfs(file()), "no root directory"),
}

# ---- names ----

NAMES = {
    "a name with a slash": (b"a/b", "without a possible name"),
    "the name ..": (b"..", "without a possible name"),
    "the name .": (b".", "without a possible name"),
    "a name with a zero byte": (b"a\0b", "without a possible name"),
    "a name of a zero byte": (b"\0", "without a possible name"),
    "a name of 256 bytes": (b"n" * 256, "without a possible name"),
    "a name of 60,000 bytes": (b"n" * 60000, "without a possible name"),
}

# ---- inodes and tables ----


def with_fragment(word, content, **fields):
    fields = {"says_fragment": (0, 0), "says_size": 5, **fields}
    return image((b"f", Node(FILE, **fields)), fragments=[(None, word, content)])


def with_attributes(text, count=1, **fields):
    made = image((b"f", file(xattr=0)), attributes=text, **fields)
    made.attribute_sets = [(0, count, len(text))]
    return made


def zero_bytes_of(gib):
    """A symbolic link whose target is in metadata that unpacks to many zeroes."""
    made = image((b"l", Node(SYMLINK, target=b"x", says_size=gib << 30)))
    made.after_inodes = zeroes_in_zstd() * (gib << 30 // META)
    return made


def many_blocks(extended):
    """A file of 16 TiB, whose list of blocks has 512 MiB of packed zeroes."""
    node = Node(FILE, xattr=0 if extended else None, says_size=16 << 40)
    made = image((b"f", node))
    made.after_inodes = zeroes_in_zstd() * 65536
    return made


def many_fragments():
    """50 million entries, which all come from one packed block."""
    made = with_fragment(5 | 1 << 24, b"hello")
    made.super = {"fragment_count": 50_000_000}
    made.fragment_pointers = lambda pointer: pointer * (50_000_000 * 16 // META + 1)
    return made


def attribute_of_a_gigabyte():
    made = with_attributes(attribute(b"big", b"", says_size=1 << 30))
    made.after_attributes = zeroes_in_zstd() * ((1 << 30) // META)
    return made


def many_large_attributes():
    """A million names for one set of 64 attributes of 64 KiB would be 4 TiB."""
    text = b"".join(attribute(b"%d" % n, b"x" * 65536) for n in range(8))
    files = [(b"%05d" % n, Node(FILE, xattr=0)) for n in range(2000)]
    made = image(*files, attributes=text)
    made.attribute_sets = [(0, 8, len(text))]
    return made


INODES = {
    "2^32 - 1 inodes": (
        lambda: image(super={"inode_count": 0xFFFFFFFF}),
        "more than 2,000,000 inodes",
    ),
    "2^32 - 1 fragments": (
        lambda: image(super={"fragment_count": 0xFFFFFFFF, "flags": NO_XATTRS}),
        "more than 2,000,000 fragments",
    ),
    "fragments that come from one block": (many_fragments, "more than 2,000,000 fragments"),
    "an inode number that is too large": (
        lambda: image((b"f", file(number=9))),
        "a number that no inode can have",
    ),
    "two files with one number": (
        lambda: image((b"a", file(number=5)), (b"b", file(number=5)), super={"inode_count": 9}),
        "inode number of another file",
    ),
    "an inode of an unknown type": (lambda: image((b"d", Node(60))), "unknown type"),
    "an owner that does not exist": (
        lambda: image((b"f", file(owner=9))),
        "not in the table of owners",
    ),
    "more owners than there are": (
        lambda: image(super={"id_count": 60000}),
        "cannot read the tables",
    ),
    "a table of owners in front of the inodes": (
        lambda: image(super={"id_table": 100}),
        "impossible order",
    ),
    "tables behind the end": (
        lambda: image(super={"id_table": 1 << 40, "bytes_used": 1 << 41}),
        "is shorter than its superblock says",
    ),
    "an export table that does not exist": (lambda: image(super={"export_table": 96}), None),
    "a symbolic link of 1 GiB": (lambda: zero_bytes_of(1), "longer than 4095 bytes"),
    "an empty symbolic link": (lambda: image((b"l", Node(SYMLINK))), "target is empty"),
    "a symbolic link with a zero byte": (
        lambda: image((b"l", Node(SYMLINK, target=b"a\0b"))),
        "zero byte in its target",
    ),
    "a file of 16 TiB": (lambda: many_blocks(True), "more bytes than an image may have"),
    "a file of 16 TiB without blocks": (
        lambda: image((b"f", Node(FILE, xattr=0, says_size=16 << 40))),
        "more bytes than an image may have",
    ),
    "attributes that do not exist": (
        lambda: image((b"f", file(xattr=3))),
        "extended attributes that do not exist",
    ),
    "attributes without a table": (
        lambda: image((b"f", file(xattr=0)), super={"flags": 0x10, "xattr_table": NOWHERE}),
        "extended attributes that do not exist",
    ),
    "2^32 - 1 attributes": (
        lambda: with_attributes(attribute(b"a", b"b"), count=0xFFFFFFFF),
        "more than 64 extended attributes",
    ),
    "an attribute of 1 GiB": (attribute_of_a_gigabyte, "more than 64 KiB"),
    "an attribute of an unknown kind": (
        lambda: with_attributes(attribute(b"a", b"b", prefix=9)),
        "without a possible name",
    ),
    "an attribute with a zero byte in its name": (
        lambda: with_attributes(attribute(b"a\0b", b"c")),
        "zero byte in its name",
    ),
    "an attribute whose value is nowhere": (
        lambda: with_attributes(
            attribute(b"a", struct.pack("<Q", 1 << 40), prefix=OUT_OF_LINE)
        ),
        "cannot read extended attributes",
    ),
    "an attribute whose reference is short": (
        lambda: with_attributes(attribute(b"a", b"1234", prefix=OUT_OF_LINE)),
        "wrong reference",
    ),
    "attributes of many files that are one": (many_large_attributes, "have more than 512 MiB"),
}

CONTENTS = {
    "a block that is larger than a block": (
        lambda: image((b"f", file(says_block=0xFFFFFF))),
        "bytes are in its tables|cannot read a file",
    ),
    "a block behind the end": (
        lambda: image((b"f", file(says_place=1 << 40, wide=True))),
        "bytes are in its tables|cannot read a file",
    ),
    "a packed block that cannot be unpacked": (
        lambda: image((b"f", file(says_block=5))),
        "cannot read a file",
    ),
    "a fragment that does not exist": (
        lambda: image((b"f", Node(FILE, says_fragment=(7, 0), says_size=5))),
        "bytes are in its tables|cannot read a file",
    ),
    "a file behind the end of its fragment": (
        lambda: with_fragment(5 | 1 << 24, b"hello", says_fragment=(0, 3)),
        "cannot read a file",
    ),
    "a fragment of a wrong size": (
        lambda: with_fragment(1 << 23, b"hello"),
        "bytes are in its tables|cannot read a file",
    ),
}


def assert_harmless(folder, message):
    """Neither command does what the image wants. The other image is the first one of the two, and
    the second one."""
    for arguments in (
        ["export", "crafted:1", f"{folder}/out.tar"],
        ["combine", "crafted:1", "good:1"],
        ["combine", "good:1", "crafted:1"],
    ):
        done = limited(folder, *arguments)
        text = done.stderr.decode()
        if message is None:
            assert done.returncode == 0, (arguments, text)
        else:
            assert (done.returncode, bool(re.search(message, text))) == (1, True), (arguments, text)
            assert not os.path.exists(f"{folder}/out.tar"), arguments
        assert "Sanitizer" not in text, text


@pytest.fixture
def good(tmp_path):
    imported(tmp_path, make_tar([member("usr/f", b"good")]), "good:1")
    return tmp_path


@pytest.mark.parametrize("what", [*DIRECTORIES, *INODES, *CONTENTS])
def test_reading_ends_with_an_error_for(good, what):
    make, message = {**DIRECTORIES, **INODES, **CONTENTS}[what]
    add(good, make().build())
    assert_harmless(good, message)


@pytest.mark.parametrize("what", NAMES)
def test_refused_is(good, what):
    name, message = NAMES[what]
    add(good, image((name, file())).build())
    assert_harmless(good, message)


def test_two_entries_with_one_name_are_refused(good):
    for first, second in ((file(), file(b"other")), (Node(), Node()), (Node(), file())):
        add(good, image((b"n", first), (b"n", second)).build())
        assert_harmless(good, "'/(crafted-1/)?n', which is there twice")


def test_a_file_in_the_tables_cannot_pose_as_a_file_of_another_image(good):
    """In the combined file there would be other bytes at its place."""
    made = image((b"f", file()), (b"l", Node(SYMLINK, target=b"t" * 100)))
    made.build()
    place = made.inode_at[id(made.root)][0] + 96 + len(b"hello") + 40
    add(good, image((b"f", file(says_place=place)), (b"l", made.root.entries[1][1])).build())
    done = limited(good, "combine", "crafted:1", "good:1")
    assert (done.returncode, b"whose bytes are in its tables" in done.stderr) == (1, True), done


def lz4_without_options():
    """Linux would mount it, but pe-image always writes options."""
    return image((b"f", file()), super={"compression": 5})


def lz4_with_wrong_options():
    made = lz4_without_options()
    made.super["flags"] = NO_FRAGMENTS | NO_XATTRS | COMPRESSOR_OPTIONS
    return made


@pytest.mark.parametrize("make", [lz4_without_options, lz4_with_wrong_options])
def test_the_options_of_a_compressor_cannot_break_the_images_that_are_added(good, make):
    """Linux would not mount the combined file."""
    add(good, make().build())
    done = limited(good, "combine", "crafted:1", "good:1")
    assert (done.returncode, b"the options of its compressor" in done.stderr) == (1, True), done
    assert limited(good, "combine", "good:1", "crafted:1").returncode == 0


def test_directories_in_any_order_are_read(tmp_path):
    names = [b"%06d" % number for number in range(20000)]
    made = image(*((name, Node(FILE)) for name in reversed(names)))
    made.root.wide = True
    add(tmp_path, made.build())
    assert tree(tmp_path) == [name.decode() for name in names]


def test_many_names_of_one_file_stay_names_of_one_file(tmp_path):
    node = file(b"hello")
    entries = [(b"%04d" % number, node) for number in range(3000)]
    add(tmp_path, image(*entries).build())
    assert len(tree(tmp_path)) == 3000
    assert os.path.getsize(f"{tmp_path}/out.tar") < 4 << 20


def test_files_beyond_the_limit_of_bytes_are_refused(tmp_path):
    add(tmp_path, image((b"a", file(b"x" * 100000)), (b"b", file(b"y" * 100000))).build())
    add(tmp_path, image((b"a", file())).build(), "other:1")
    for arguments in (["export", "crafted:1", "-"], ["combine", "other:1", "crafted:1"]):
        assert limited(tmp_path, arguments[0], "--max-mib", "1", *arguments[1:]).returncode == 0
    add(tmp_path, image((b"a", Node(FILE, says_size=2 << 20))).build())
    done = limited(tmp_path, "export", "--max-mib", "1", "crafted:1", "-")
    assert (done.returncode, b"--max-mib sets the limit" in done.stderr) == (1, True), done


def test_parts_that_are_not_named_do_not_come_along(tmp_path):
    """Afterwards old:1 is another image. What it was must not be mixed with what it is."""
    imported(tmp_path, make_tar([member("usr/f", b"good"), member("usr/g", b"g")]), "good:1")
    imported(tmp_path, make_tar([member("usr/old", b"old")]), "old:1")
    store = f"{tmp_path}/store"
    assert run("combine", "--store", store, "good:1", "old:1").returncode == 0
    imported(tmp_path, make_tar([member("usr/new", b"new")]), "old:1")
    done = run("combine", "--store", store, "good:1", "old:1")
    assert done.returncode == 0, done.stderr
    assert "usr/new" in tree(tmp_path, "old:1") and "usr/old" not in tree(tmp_path, "old:1")
    assert "usr/g" in tree(tmp_path, "good:1")
