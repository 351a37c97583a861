"""Images leaving the store, coming together in one, and coming over from another host."""
import functools
import glob
import hashlib
import http.server
import io
import json
import os
import stat
import subprocess
import tarfile
import threading

from oci_test import CAPABILITY
from support import ALIGN, PE_IMAGE, contains, equal, imported, listing, make_tar, member, run, unpacked, xattrs


def store_bytes(work):
    return sum(os.path.getsize(path) for path in glob.glob(f"{work}/store/*/rootfs.squashfs"))


def entries(work):
    return {image["name"]: image for image in json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)}


def test_an_exported_image_comes_back_the_same(work):
    pax = {"SCHILY.xattr.user.note": "kept", "SCHILY.xattr.security.capability": CAPABILITY.decode()}
    node = member("usr/node", kind=tarfile.CHRTYPE)
    node[0].devmajor, node[0].devminor = 1, 70000
    members = [member("usr", mode=0o711, mtime=5), member("usr/f", b"x" * 300000, mode=0o4755, uid=7, gid=70000, pax=pax),
               member("usr/hard", kind=tarfile.LNKTYPE, target="usr/f"), node, member("usr/empty", b""),
               member("usr/l", kind=tarfile.SYMTYPE, target="../x", mode=0o777), member("usr/bad\udcff\udcfename", b"1"),
               member("usr/\u65e5", b"2"), member("usr/pipe", kind=tarfile.FIFOTYPE), member("usr/" + "n" * 240, b"3")]
    before = unpacked(work, imported(work, make_tar(members), "a:1", "--devices"))
    equal(run("export", "--store", f"{work}/store", "a:1", f"{work}/a.tar").returncode, 0, "export")
    piped = run("export", "--store", f"{work}/store", "a:1", "-").stdout
    equal(open(f"{work}/a.tar", "rb").read() == piped, True, "to a file and to a pipe")
    after = unpacked(work, imported(work, piped, "b:1", "--devices"))
    equal((listing(after), xattrs(after)), (listing(before), xattrs(before)), "trees")
    equal(len(listing(after)) > 15, True, "number of files")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PE_IMAGE, "export", "--store", f"{work}/store", "a:1", "-"], stdout=full,
                              stderr=subprocess.DEVNULL, timeout=60)
    equal(done.returncode, 1, "onto a full disk")
    os.mkfifo(f"{work}/pipe")
    process = subprocess.Popen([PE_IMAGE, "export", "--store", f"{work}/store", "a:1", f"{work}/pipe"])
    with open(f"{work}/pipe", "rb") as pipe:
        equal(pipe.read() == piped, True, "into a named pipe")
    equal((process.wait(), stat.S_ISFIFO(os.stat(f"{work}/pipe").st_mode)), (0, True), "which stays one")
    contains(run("export", "--store", f"{work}/store", "c:1", "-").stderr, b"there is no image 'c:1'")


def version(number, common):
    return make_tar([member("usr", mode=0o755), *[member(f"usr/{name}", content) for name, content in common.items()],
                     member("usr/hard", kind=tarfile.LNKTYPE, target="usr/0"),
                     member(f"usr/own-{number}", os.urandom(1500000)), member("usr/same-name", str(number).encode() * 5000),
                     member("usr/l", kind=tarfile.SYMTYPE, target="0", mode=0o777), member("usr/empty", b"")])


def test_combined_images_store_equal_files_once_and_keep_their_names(work):
    common = {str(number): os.urandom(700000 + number) for number in range(8)}
    trees = {}
    for number in (1, 2, 3):
        path = imported(work, version(number, common), f"tool:{number}", "--env", f"N={number}")
        trees[number] = listing(unpacked(work, path))
    first = open(glob.glob(f"{work}/store/{entries(work)['tool:1']['digest'][7:]}/*")[0], "rb").read()
    apart = store_bytes(work)
    done = run("combine", "--json", "--store", f"{work}/store", "tool:1", "tool:2")
    equal(done.returncode, 0, done.stderr.decode())
    result = json.loads(done.stdout)
    equal((result["shared_files"], result["shared_bytes"]), (8, sum(len(one) for one in common.values())), "shared")
    images = entries(work)
    equal([(name, image["root"], image["env"]) for name, image in images.items()],
          [("tool:1", "tool-1", ["N=1"]), ("tool:2", "tool-2", ["N=2"]), ("tool:3", "", ["N=3"])], "entries")
    equal(images["tool:1"]["digest"], images["tool:2"]["digest"], "digests")
    equal(run("verify", "--store", f"{work}/store").returncode, 0, "verify")
    equal(store_bytes(work) < apart - 5500000, True, f"{store_bytes(work)} bytes instead of {apart}")

    # One more version: the old data is not written anew but lies where it lay.
    old = open(f"{work}/store/{images['tool:1']['digest'][7:]}/rootfs.squashfs", "rb").read()
    done = run("combine", "--json", "--store", f"{work}/store", "tool:1", "tool:2", "tool:3")
    equal(done.returncode, 0, done.stderr.decode())
    images = entries(work)
    equal(len({image["digest"] for image in images.values()}), 1, "digests")
    new = open(f"{work}/store/{images['tool:1']['digest'][7:]}/rootfs.squashfs", "rb").read()
    for part, content in (("first", first), ("combined", old)):
        start = int.from_bytes(content[64:72], "little")  # inode_table_start: where the file data ends
        equal(start > 5000000 and new[96:start] == content[96:start], True, f"data of the {part} image")
    out = unpacked(work, glob.glob(f"{work}/store/*/rootfs.squashfs")[0])
    for number, tree in trees.items():
        equal(listing(f"{out}/tool-{number}"), tree, f"tree of {number}")
    equal(len(glob.glob(f"{work}/store/*/rootfs.squashfs")), 1, "files")

    # A part is exported, and leaves, by its name.
    exported = run("export", "--store", f"{work}/store", "tool:2", "-").stdout
    equal("usr/own-2" in tarfile.open(fileobj=io.BytesIO(exported)).getnames(), True, "export of a part")
    equal(run("rm", "--store", f"{work}/store", "tool:1", "tool:3").returncode, 0, "rm")
    equal(run("verify", "--store", f"{work}/store").returncode, 0, "verify")


def test_what_cannot_be_combined_is_said(work):
    imported(work, make_tar([member("f", b"x")]), "a:1")
    imported(work, make_tar([member("g", b"x")]), "a/b:1")
    imported(work, make_tar([member("h", b"x")]), "a-b:1")
    for names, message in ((["a:1"], b"2 to 64 images"), (["a:1", "a:1"], b"named twice"), (["a:1", "z:1"], b"no image 'z:1'"),
                           (["a/b:1", "a-b:1"], b"same directory")):
        contains(run("combine", "--store", f"{work}/store", *names).stderr, message)
    equal(len(entries(work)), 3, "images")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Served:
    """A directory over HTTP, as any web server would serve it."""

    def __init__(self, path):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=path))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *arguments):
        self.server.shutdown()
        self.server.server_close()


def fetch(work, url, *names):
    return run("fetch", "--json", "--store", f"{work}/mine", url + "/", *names)


def test_a_new_host_fetches_what_another_has(work):
    tar = make_tar([member("usr/f", os.urandom(3000000))])
    imported(work, tar, "a:1", "--description", "first")
    imported(work, tar, "also/a:1")
    imported(work, make_tar([member("usr/g", b"x")]), "b:1")
    with Served(f"{work}/store") as url:
        equal(json.loads(fetch(work, url, "b:1").stdout), {"fetched": 1, "present": 0}, "one")
        equal(json.loads(fetch(work, url).stdout), {"fetched": 2, "present": 1}, "the others")
        equal(json.loads(fetch(work, url).stdout), {"fetched": 0, "present": 3}, "again")
        contains(fetch(work, url, "c:1").stderr, b"no image 'c:1'")
        imported(work, tar, "a:1", "--description", "second")
        equal(json.loads(fetch(work, url).stdout), {"fetched": 1, "present": 2}, "a new description")
    mine = json.loads(run("ls", "--json", "--store", f"{work}/mine").stdout)
    equal({image["name"]: image for image in mine}, entries(work), "catalogs")
    equal(run("verify", "--store", f"{work}/mine").returncode, 0, "verify")
    equal(len(glob.glob(f"{work}/mine/*/rootfs.squashfs")), 2, "files")
    contains(fetch(work, url).stderr, b"index.json: ")


def test_what_another_host_says_is_not_believed(work):
    path = imported(work, make_tar([member("usr/f", os.urandom(100000))]), "a:1")
    index = json.load(open(f"{work}/store/index.json"))
    good = open(path, "rb").read()
    cases = [("another byte", good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], {}, b"has the digest"),
             ("too long", good + b"\0", {}, b"more than the"), ("too short", good[:-1], {}, b"has the digest"),
             ("a size of zero", good, {"rootfs_bytes": 0}, b"rootfs of 0 bytes"),
             ("a name that is a path", good, {"name": "../../etc:1"}, b"'name'"),
             ("a digest that is a path", good, {"digest": "sha256:../../x"}, b"'digest'")]
    with Served(f"{work}/store") as url:
        for what, content, change, message in cases:
            with open(path, "wb") as file:
                file.write(content)
            with open(f"{work}/store/index.json", "w") as file:
                json.dump([dict(index[0], **change)], file)
            done = fetch(work, url)
            equal(done.returncode in (1, 2), True, what)
            contains(done.stderr, message)
            equal([name for name in glob.glob(f"{work}/mine/*") if not name.endswith("names")], [], what)
        with open(f"{work}/store/index.json", "w") as file:
            file.write("{}")
        contains(fetch(work, url).stderr, b"not the index")
    equal(hashlib.sha256(good).hexdigest(), index[0]["digest"][7:], "the digest was right")
    equal(len(good) % ALIGN, 0, "size")
