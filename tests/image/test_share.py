# SPDX-License-Identifier: Apache-2.0
"""Images leaving the store, coming together in one, and coming over from another host."""
import functools
import glob
import hashlib
import http.server
import io
import itertools
import json
import os
import stat
import subprocess
import tarfile
import threading

from fixtures.oci_layout import CAPABILITY
from fixtures.pe_image import (
    ALIGN,
    PE_IMAGE,
    imported,
    listing,
    make_tar,
    member,
    run,
    unpacked,
    xattrs,
)


def store_bytes(tmp_path):
    return sum(os.path.getsize(path) for path in glob.glob(f"{tmp_path}/store/*/rootfs.squashfs"))


def entries(tmp_path):
    return {
        image["name"]: image
        for image in json.loads(run("ls", "--json", "--store", f"{tmp_path}/store").stdout)
    }


def test_an_exported_image_can_be_imported_unchanged(tmp_path):
    pax = {
        "SCHILY.xattr.user.note": "kept",
        "SCHILY.xattr.security.capability": CAPABILITY.decode(),
    }
    node = member("usr/node", kind=tarfile.CHRTYPE)
    node[0].devmajor, node[0].devminor = 1, 70000
    members = [
        member("usr", mode=0o711, mtime=5),
        member("usr/f", b"x" * 300000, mode=0o4755, uid=7, gid=70000, pax=pax),
        member("usr/hard", kind=tarfile.LNKTYPE, target="usr/f"),
        node,
        member("usr/empty", b""),
        member("usr/l", kind=tarfile.SYMTYPE, target="../x", mode=0o777),
        member("usr/bad\udcff\udcfename", b"1"),
        member("usr/\u65e5", b"2"),
        member("usr/pipe", kind=tarfile.FIFOTYPE),
        member("usr/" + "n" * 240, b"3"),
    ]
    before = unpacked(tmp_path, imported(tmp_path, make_tar(members), "a:1", "--devices"))
    assert (
        run("export", "--store", f"{tmp_path}/store", "a:1", f"{tmp_path}/a.tar").returncode == 0
    ), "export"
    piped = run("export", "--store", f"{tmp_path}/store", "a:1", "-").stdout
    assert open(f"{tmp_path}/a.tar", "rb").read() == piped, "to a file and to a pipe"
    after = unpacked(tmp_path, imported(tmp_path, piped, "b:1", "--devices"))
    assert listing(after) == listing(before), "trees"
    assert xattrs(after) == xattrs(before), "trees"
    assert len(listing(after)) > 15, "number of files"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [PE_IMAGE, "export", "--store", f"{tmp_path}/store", "a:1", "-"],
            stdout=full,
            stderr=subprocess.DEVNULL,
            timeout=600,
        )
    assert done.returncode == 1, "onto a full disk"
    os.mkfifo(f"{tmp_path}/pipe")
    process = subprocess.Popen(
        [PE_IMAGE, "export", "--store", f"{tmp_path}/store", "a:1", f"{tmp_path}/pipe"]
    )
    with open(f"{tmp_path}/pipe", "rb") as pipe:
        assert pipe.read() == piped, "into a named pipe"
    assert process.wait() == 0, "which stays one"
    assert stat.S_ISFIFO(os.stat(f"{tmp_path}/pipe").st_mode), "which stays one"
    assert (
        b"there is no image 'c:1'"
        in run("export", "--store", f"{tmp_path}/store", "c:1", "-").stderr
    )


def test_gnu_tar_reads_an_exported_image_without_a_warning(tmp_path):
    deep = "usr/" + "d" * 60 + "/" + "e" * 60
    pax = {"SCHILY.xattr.user.note": "kept\n1=2", "SCHILY.xattr.user.a%25b%3Dc": "odd name"}
    members = [
        member("usr", mode=0o755, mtime=5),
        member("usr/f", b"x" * 3000, mode=0o4755, uid=7, gid=2097151, pax=pax),
        member("usr/big", b"x" * 512, uid=2097152, gid=4294967294),
        member("usr/\u65e5", b"2"),
        member("usr/bad\udcff\udcfename", b"1"),
        member("usr/" + "\udcff" * 200, b"long and not UTF-8"),
        member("usr/" + "n" * 96, b"100 bytes"),
        member("usr/" + "m" * 97, b"101 bytes"),
        member(deep, mode=0o700),
        member(deep + "/" + "f" * 100, b"split"),
        member(deep + "/" + "g" * 101, b"too long to split"),
        member(deep + "/h/" + "i" * 97 + "/", mode=0o750),
        member("usr/hard", kind=tarfile.LNKTYPE, target=deep + "/" + "f" * 100),
        member("usr/l", kind=tarfile.SYMTYPE, target="t" * 100, mode=0o777),
        member("usr/ll", kind=tarfile.SYMTYPE, target="t" * 4000, mode=0o777),
        member("usr/empty", b""),
    ]
    rootfs = imported(tmp_path, make_tar(members), "a:1")
    run("export", "--store", f"{tmp_path}/store", "a:1", f"{tmp_path}/a.tar")
    os.mkdir(f"{tmp_path}/out")
    for arguments in (["-t"], ["-x", "--xattrs", "--xattrs-include=*", "-C", f"{tmp_path}/out"]):
        done = subprocess.run(["tar", "-f", f"{tmp_path}/a.tar", *arguments], capture_output=True)
        assert (done.returncode, done.stderr) == (0, b""), arguments
    before = unpacked(tmp_path, rootfs)
    assert listing(f"{tmp_path}/out") == listing(before), "trees"
    assert xattrs(f"{tmp_path}/out") == xattrs(before), "attributes"
    assert xattrs(before)["usr/f"]["user.note"] == b"kept\n1=2", "attributes"
    again = unpacked(tmp_path, imported(tmp_path, open(f"{tmp_path}/a.tar", "rb").read(), "b:1"))
    assert listing(again) == listing(before), "importing it gives the same tree"


def version(number, common):
    return make_tar(
        [
            member("usr", mode=0o755),
            *[member(f"usr/{name}", content) for name, content in common.items()],
            member("usr/hard", kind=tarfile.LNKTYPE, target="usr/0"),
            member(f"usr/own-{number}", os.urandom(1500000)),
            member("usr/same-name", str(number).encode() * 5000),
            member("usr/l", kind=tarfile.SYMTYPE, target="0", mode=0o777),
            member("usr/empty", b""),
        ]
    )


def test_combined_images_store_equal_files_once_and_keep_their_names(tmp_path):
    common = {str(number): os.urandom(700000 + number) for number in range(8)}
    trees = {}
    for number in (1, 2, 3):
        path = imported(tmp_path, version(number, common), f"tool:{number}", "--env", f"N={number}")
        trees[number] = listing(unpacked(tmp_path, path))
    first = open(
        glob.glob(f"{tmp_path}/store/{entries(tmp_path)['tool:1']['digest'][7:]}/*")[0], "rb"
    ).read()
    apart = store_bytes(tmp_path)
    done = run("combine", "--json", "--store", f"{tmp_path}/store", "tool:1", "tool:2")
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert result["shared_files"] == 8, "shared"
    assert result["shared_bytes"] == sum(len(one) for one in common.values()), "shared"
    images = entries(tmp_path)
    assert [(name, image["root"], image["env"]) for name, image in images.items()] == [
        ("tool:1", "tool-1", ["N=1"]),
        ("tool:2", "tool-2", ["N=2"]),
        ("tool:3", "", ["N=3"]),
    ], "entries"
    assert images["tool:1"]["digest"] == images["tool:2"]["digest"], "digests"
    assert run("verify", "--store", f"{tmp_path}/store").returncode == 0, "verify"
    assert (
        store_bytes(tmp_path) < apart - 5500000
    ), f"{store_bytes(tmp_path)} bytes instead of {apart}"

    # One more version: the old data keeps its place and is not written again.
    old = open(f"{tmp_path}/store/{images['tool:1']['digest'][7:]}/rootfs.squashfs", "rb").read()
    done = run("combine", "--json", "--store", f"{tmp_path}/store", "tool:1", "tool:2", "tool:3")
    assert done.returncode == 0, done.stderr.decode()
    images = entries(tmp_path)
    assert len({image["digest"] for image in images.values()}) == 1, "digests"
    new = open(f"{tmp_path}/store/{images['tool:1']['digest'][7:]}/rootfs.squashfs", "rb").read()
    for part, content in (("first", first), ("combined", old)):
        start = int.from_bytes(
            content[64:72], "little"
        )  # inode_table_start: where the file data ends
        assert start > 5000000 and new[96:start] == content[96:start], f"data of the {part} image"
    out = unpacked(tmp_path, glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")[0])
    for number, tree in trees.items():
        assert listing(f"{out}/tool-{number}") == tree, f"tree of {number}"
    assert len(glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")) == 1, "files"

    # A part is exported, and leaves, by its name.
    exported = run("export", "--store", f"{tmp_path}/store", "tool:2", "-").stdout
    assert "usr/own-2" in tarfile.open(fileobj=io.BytesIO(exported)).getnames(), "export of a part"
    assert run("rm", "--store", f"{tmp_path}/store", "tool:1", "tool:3").returncode == 0, "rm"
    assert run("verify", "--store", f"{tmp_path}/store").returncode == 0, "verify"


def test_images_that_cannot_be_combined_are_reported(tmp_path):
    imported(tmp_path, make_tar([member("f", b"x")]), "a:1")
    imported(tmp_path, make_tar([member("g", b"x")]), "a/b:1")
    imported(tmp_path, make_tar([member("h", b"x")]), "a-b:1")
    for names, message in (
        (["a:1"], b"2 to 64 images"),
        (["a:1", "a:1"], b"named twice"),
        (["a:1", "z:1"], b"no image 'z:1'"),
        (["a/b:1", "a-b:1"], b"same directory"),
    ):
        assert message in run("combine", "--store", f"{tmp_path}/store", *names).stderr
    assert len(entries(tmp_path)) == 3, "images"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Served:
    """A directory over HTTP, as any web server would serve it."""

    def __init__(self, path):
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=path)
        )
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *arguments):
        self.server.shutdown()
        self.server.server_close()


def fetch(tmp_path, url, *names):
    return run("fetch", "--json", "--store", f"{tmp_path}/mine", url + "/", *names)


def test_a_new_host_fetches_the_images_of_another(tmp_path):
    tar = make_tar([member("usr/f", os.urandom(3000000))])
    imported(tmp_path, tar, "a:1", "--description", "first")
    imported(tmp_path, tar, "also/a:1")
    imported(tmp_path, make_tar([member("usr/g", b"x")]), "b:1")
    with Served(f"{tmp_path}/store") as url:
        assert json.loads(fetch(tmp_path, url, "b:1").stdout) == {"fetched": 1, "present": 0}, "one"
        assert json.loads(fetch(tmp_path, url).stdout) == {"fetched": 2, "present": 1}, "the others"
        assert json.loads(fetch(tmp_path, url).stdout) == {"fetched": 0, "present": 3}, "again"
        assert b"no image 'c:1'" in fetch(tmp_path, url, "c:1").stderr
        imported(tmp_path, tar, "a:1", "--description", "second")
        assert json.loads(fetch(tmp_path, url).stdout) == {
            "fetched": 1,
            "present": 2,
        }, "a new description"
    mine = json.loads(run("ls", "--json", "--store", f"{tmp_path}/mine").stdout)
    assert {image["name"]: image for image in mine} == entries(tmp_path), "catalogs"
    assert run("verify", "--store", f"{tmp_path}/mine").returncode == 0, "verify"
    assert len(glob.glob(f"{tmp_path}/mine/*/rootfs.squashfs")) == 2, "files"
    assert b"index.json: " in fetch(tmp_path, url).stderr


def test_images_of_another_host_are_verified(tmp_path):
    path = imported(tmp_path, make_tar([member("usr/f", os.urandom(100000))]), "a:1")
    index = json.load(open(f"{tmp_path}/store/index.json"))
    good = open(path, "rb").read()
    cases = [
        (
            "another byte",
            good[:5000] + bytes([good[5000] ^ 1]) + good[5001:],
            {},
            b"has the digest",
        ),
        ("too long", good + b"\0", {}, b"more than the"),
        ("too short", good[:-1], {}, b"has the digest"),
        ("a size of zero", good, {"rootfs_bytes": 0}, b"rootfs of 0 bytes"),
        ("a name that is a path", good, {"name": "../../etc:1"}, b"'name'"),
        ("a digest that is a path", good, {"digest": "sha256:../../x"}, b"'digest'"),
    ]
    with Served(f"{tmp_path}/store") as url:
        for what, content, change, message in cases:
            with open(path, "wb") as file:
                file.write(content)
            with open(f"{tmp_path}/store/index.json", "w") as file:
                json.dump([dict(index[0], **change)], file)
            done = fetch(tmp_path, url)
            assert done.returncode in (1, 2), what
            assert message in done.stderr
            assert [
                name for name in glob.glob(f"{tmp_path}/mine/*") if not name.endswith("names")
            ] == [], what
        with open(f"{tmp_path}/store/index.json", "w") as file:
            file.write("{}")
        assert b"not the index" in fetch(tmp_path, url).stderr
    assert hashlib.sha256(good).hexdigest() == index[0]["digest"][7:], "the digest was right"
    assert len(good) % ALIGN == 0, "size"


def lying_host(tmp_path, monkeypatch, answer):
    """Let the other host answer requests for paths that end as `answer` says."""

    def do_get(self):
        for ending, reply in answer.items():
            if self.path.endswith(ending):
                return reply(self)
        return http.server.SimpleHTTPRequestHandler.do_GET(self)

    monkeypatch.setattr(Quiet, "do_GET", do_get, raising=False)
    return Served(f"{tmp_path}/store")


def reply(status, headers=(), body=()):
    def send(request):
        request.send_response(status)
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        try:
            for part in body:
                request.wfile.write(part)
        except OSError:
            pass  # the client has had enough

    return send


def test_what_another_host_sends_is_limited(tmp_path, monkeypatch):
    imported(tmp_path, make_tar([member("usr/f", b"f")]), "a:1")
    entry = json.load(open(f"{tmp_path}/store/index.json"))[0]
    index = lambda *entries: {"index.json": reply(200, body=[json.dumps(entries).encode()])}
    endless = itertools.repeat(b"x" * 65536)
    loop = reply(302, [("Location", "/again/index.json")])
    cases = {
        "an index without end": ({"index.json": reply(200, body=endless)}, b"more than the expected"),
        "an index of empty objects": (
            {"index.json": reply(200, body=[b"[" + b"{}," * 600_000 + b"{}]"])},
            b"has more than 500000 values",
        ),
        "an index nested deeply": (
            {"index.json": reply(200, body=[b"[" * 100_000])},
            b"nested deeper than",
        ),
        "an index of 20,000 images": (
            index(*({"name": f"a:{n}", "digest": entry["digest"]} for n in range(20000))),
            b"lists more than 10000 images",
        ),
        "a file without end": (
            {"rootfs.squashfs": reply(200, body=endless)},
            b"more than the expected 2097152 bytes",
        ),
        "a file that is announced as larger than the disk": (
            index({**entry, "rootfs_bytes": 1 << 60}),
            b"--max-mib sets the limit",
        ),
        "redirects in a circle": ({"index.json": loop}, b"redirects"),
        "a redirect to a file of this host": (
            {"index.json": reply(302, [("Location", f"file://{tmp_path}/store/index.json")])},
            b"file",
        ),
        "an error": ({"rootfs.squashfs": reply(500)}, b"500"),
    }
    for what, (answer, message) in cases.items():
        with lying_host(tmp_path, monkeypatch, answer) as url:
            done = fetch(tmp_path, url)
        assert (done.returncode, message in done.stderr) == (1, True), (what, done.stderr)
        left = [name for name in glob.glob(f"{tmp_path}/mine/*") if not name.endswith("names")]
        assert left == [], what
