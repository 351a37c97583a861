#!/usr/bin/env python3
"""pe-image from outside: tars of every kind in, what unsquashfs reads out; hostile ones; the store.

PE_BUILD names the build directory (default build). Prints `ok NAME` or `not ok NAME` with what went wrong.
Needs unsquashfs (package squashfs-tools).
"""
import fcntl
import glob
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import traceback

BUILD = os.path.abspath(os.environ.get("PE_BUILD", "build"))
PE_IMAGE = os.path.join(BUILD, "bin", "pe-image")
ALIGN = 2 << 20
MOUNT_POINTS = {"dev": 0o755, "proc": 0o555, "sys": 0o555, "tmp": 0o1777, "work": 0o755, "input": 0o755,
                "output": 0o755}


def run(*arguments, stdin=b""):
    return subprocess.run([PE_IMAGE, *arguments], input=stdin, capture_output=True, timeout=120)


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def contains(text, wanted):
    if wanted not in text:
        raise AssertionError(f"{wanted!r} is not in {text!r}")


def member(name, content=None, kind=None, target="", mode=0o644, uid=0, gid=0, mtime=1000):
    """A tar member: a file when it has content, else of the kind given."""
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.REGTYPE if content is not None else tarfile.DIRTYPE)
    info.linkname, info.mode, info.uid, info.gid, info.mtime = target, mode, uid, gid, mtime
    info.size = len(content or b"")
    return info, content


def make_tar(members, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return out.getvalue()


def imported(work, tar, name="test:1", *arguments):
    """Import, check the entry, give back the path of its rootfs."""
    done = run("import", "--name", name, "--store", f"{work}/store", *arguments, "-", stdin=tar)
    equal(done.returncode, 0, done.stderr.decode())
    listed = json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)
    entry = [image for image in listed if image["name"] == name][0]
    path = f"{work}/store/{entry['digest'][7:]}/rootfs.squashfs"
    content = open(path, "rb").read()
    equal("sha256:" + hashlib.sha256(content).hexdigest(), entry["digest"], "digest")
    equal((len(content) % ALIGN, entry["rootfs_bytes"]), (0, len(content)), "size")
    return path


def refused(work, tar, message):
    done = run("import", "--name", "test:1", "--store", f"{work}/store", "-", stdin=tar)
    equal(done.returncode != 0, True, "is refused")
    contains(done.stderr, message)
    equal(os.listdir(f"{work}/store"), [".lock"], "store")


def unpacked(work, rootfs):
    out = tempfile.mkdtemp(dir=work) + "/root"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", out, rootfs], check=True, stdout=subprocess.DEVNULL)
    return out


def listing(root):
    """Everything below a directory: path -> what matters of it."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = (os.readlink(path) if stat.S_ISLNK(info.st_mode) else
                       hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(info.st_mode) else None)
            links = info.st_nlink if stat.S_ISREG(info.st_mode) else None
            found[os.path.relpath(path, root)] = (info.st_mode, info.st_uid, info.st_gid, int(info.st_mtime), links,
                                                  content)
    return found


# ---- fidelity ----

def test_a_tree_comes_out_as_it_went_in(work):
    big = bytes(range(256)) * 3000
    os.umask(0)
    members = [member("./", mode=0o755), member("./etc", mode=0o755), member("./etc/passwd", b"root", mode=0o600),
               member("./usr/bin/tool", big, mode=0o4755, uid=5, gid=6, mtime=1700000000), member("./empty", b""),
               member("./zeroes", b"\0" * 500000), member("./hard", kind=tarfile.LNKTYPE, target="./usr/bin/tool"),
               member("./etc/also", kind=tarfile.LNKTYPE, target="etc/passwd"),
               member("./bin", kind=tarfile.SYMTYPE, target="usr/bin", mode=0o777),
               member("./loop", kind=tarfile.SYMTYPE, target="/loop", mode=0o777),
               member("./big uid", b"x", uid=100000, gid=4000000000), member("./na\xefve \u65e5", b"utf8"),
               member("./var/" + "d/" * 60 + "deep", b"deep"), member("./" + "n" * 255, b"long")]
    out = unpacked(work, imported(work, make_tar(members)))
    found = listing(out)
    tool = found["usr/bin/tool"]
    equal(tool, (stat.S_IFREG | 0o4755, 5, 6, 1700000000, 2, hashlib.sha256(big).hexdigest()), "tool")
    equal(found["hard"], tool, "hard link")
    equal(os.stat(f"{out}/hard").st_ino, os.stat(f"{out}/usr/bin/tool").st_ino, "inode")
    equal(found["etc/passwd"][:5], (stat.S_IFREG | 0o600, 0, 0, 1000, 2), "passwd")
    equal((found["bin"][5], found["loop"][5]), ("usr/bin", "/loop"), "targets")
    equal(open(f"{out}/zeroes", "rb").read(), b"\0" * 500000, "zeroes")
    equal(found["big uid"][1:3], (100000, 4000000000), "owner")
    equal("na\xefve \u65e5" in found and "n" * 255 in found, True, "names")
    equal(open(f"{out}/var/" + "d/" * 60 + "deep").read(), "deep", "deep file")


def test_many_files_in_one_directory(work):
    members = [member(f"d/{n:05}", str(n).encode()) for n in range(6000, 0, -1)]
    members += [member(f"d/sub{n}/f", b"x") for n in range(300)]
    out = unpacked(work, imported(work, make_tar(members)))
    equal(len(os.listdir(f"{out}/d")), 6300, "count")
    equal(open(f"{out}/d/04321").read(), "4321", "content")


def test_the_kernel_reads_it(work):
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        print("# not root, or no loop devices: the kernel's own squashfs was not tried")
        return
    members = [member(f"d/{n}", os.urandom(n * 37)) for n in range(400)]
    path = imported(work, make_tar(members))
    os.makedirs(f"{work}/mnt")
    mounted = subprocess.run(["mount", "-o", "loop,ro", "-t", "squashfs", path, f"{work}/mnt"], capture_output=True)
    if mounted.returncode:
        print(f"# no squashfs mount here: {mounted.stderr.decode().strip()}")
        return
    try:
        equal(listing(f"{work}/mnt"), listing(unpacked(work, path)), "tree")
    finally:
        subprocess.run(["umount", f"{work}/mnt"], check=True)


def test_every_compression_is_read(work):
    tar = make_tar([member("usr/f", b"content" * 1000)])
    variants = [tar, make_tar([member("usr/f", b"content" * 1000)], "w:gz"),
                make_tar([member("usr/f", b"content" * 1000)], "w:xz"),
                make_tar([member("usr/f", b"content" * 1000)], "w:bz2")]
    if shutil.which("zstd"):
        variants.append(subprocess.run(["zstd", "-c"], input=tar, capture_output=True, check=True).stdout)
    digests = {os.path.basename(os.path.dirname(imported(work, variant))) for variant in variants}
    equal(len(digests), 1, "digests")


def test_the_same_tar_gives_the_same_image(work):
    members = [member(f"usr/{n}", os.urandom(50000) if n % 3 else b"same" * 9999) for n in range(60)]
    first = imported(work, make_tar(members))
    second = imported(work, make_tar(members), "test:1", "--description", "again")
    equal(first, second, "path")
    contains(run("ls", "--store", f"{work}/store").stdout, b"again")


def test_mount_points_are_made_and_api_mounts_emptied(work):
    out = unpacked(work, imported(work, make_tar([member("dev", mode=0o700), member("dev/null", b"x"),
                                                  member("proc/1/cmdline", b"x"), member("usr/f", b"x"),
                                                  member("usr/node", kind=tarfile.CHRTYPE),
                                                  member("usr/pipe", kind=tarfile.FIFOTYPE)])))
    found = listing(out)
    for name, mode in MOUNT_POINTS.items():
        equal(os.listdir(f"{out}/{name}"), [], name)
        equal(stat.S_IMODE(found[name][0]), 0o700 if name == "dev" else mode, f"mode of {name}")
    equal(os.listdir(f"{out}/usr"), ["f"], "device nodes are dropped")


def test_later_members_replace_earlier_ones(work):
    out = unpacked(work, imported(work, make_tar([
        member("usr/f", b"old"), member("usr/f", b"new"), member("usr/kept", kind=tarfile.LNKTYPE, target="usr/f"),
        member("usr/f", b"newest"), member("usr/d/x", b"x"), member("usr/d", b"now a file"),
        member("usr/l", kind=tarfile.SYMTYPE, target="/etc"), member("usr/l", mode=0o755), member("usr/l/y", b"y"),
        member("usr", mode=0o711)])))
    read = lambda name: open(f"{out}/usr/{name}").read()
    equal([read(name) for name in ("f", "kept", "d", "l/y")], ["newest", "new", "now a file", "y"], "contents")
    equal(os.stat(f"{out}/usr/kept").st_nlink, 1, "links")
    equal(stat.S_IMODE(os.stat(f"{out}/usr").st_mode), 0o711, "mode")


# ---- hostile and broken archives ----

def test_hostile_names_are_refused(work):
    ok = member("usr/f", b"x")
    cases = [([member("../evil", b"x")], b"'..'"), ([member("usr/../../evil", b"x")], b"'..'"),
             ([member("/etc/passwd", b"x")], b"absolute"), ([member("n" * 256, b"x")], b"over 255 bytes"),
             ([member("a/" * 2100 + "f", b"x")], b"over 4095 bytes"),
             ([member("link", kind=tarfile.SYMTYPE, target="/etc"), member("link/passwd", b"x")], b"symbolic link"),
             ([ok, member("usr/f/below", b"x")], b"goes through a file"),
             ([ok, member("hard", kind=tarfile.LNKTYPE, target="../../etc/passwd")], b"'..'"),
             ([ok, member("hard", kind=tarfile.LNKTYPE, target="nothing")], b"hard link"),
             ([ok, member("hard", kind=tarfile.LNKTYPE, target="usr")], b"hard link"),
             ([ok, member("work", kind=tarfile.SYMTYPE, target="/etc")], b"/work of this root filesystem"),
             ([ok, member("neg", b"x", uid=-5)], b"owner")]
    for members, message in cases:
        refused(work, make_tar(members), message)


def test_what_is_no_root_filesystem_is_refused(work):
    tar = make_tar([member("usr/f", os.urandom(100000))])
    refused(work, b"", b"standard input")
    refused(work, b"not a tar at all" * 100, b"standard input")
    refused(work, make_tar([]), b"empty")
    refused(work, tar[:60000], b"standard input: Truncated")
    refused(work, make_tar([member("usr/f", os.urandom(100000))], "w:gz")[:50000], b"standard input")
    refused(work, make_tar([member("manifest.json", b"[]"), member("abc/layer.tar", b"")]), b"docker export")


# ---- the store ----

def test_an_image_of_the_same_name_is_replaced(work):
    old = imported(work, make_tar([member("usr/old", b"x")]))
    new = imported(work, make_tar([member("usr/new", b"x")]))
    equal((os.path.exists(old), os.path.exists(new)), (False, True), "entries")
    equal(len(glob.glob(f"{work}/store/*")), 1, "entries")


def test_the_same_rootfs_under_another_name_is_refused(work):
    tar = make_tar([member("usr/f", b"x")])
    imported(work, tar)
    done = run("import", "--name", "other:1", "--store", f"{work}/store", "-", stdin=tar)
    equal(done.returncode != 0, True, "is refused")
    contains(done.stderr, b"same root filesystem as test:1")
    equal(len(os.listdir(f"{work}/store")), 2, "entries and the lock")


def test_leftovers_of_dead_imports_are_swept_and_of_live_ones_not(work):
    os.makedirs(f"{work}/store/.new-dead")
    open(f"{work}/store/.new-dead/rootfs.squashfs", "w").close()
    os.makedirs(f"{work}/store/.new-live")
    live = os.open(f"{work}/store/.new-live", os.O_RDONLY)
    fcntl.flock(live, fcntl.LOCK_EX)
    imported(work, make_tar([member("usr/f", b"x")]))
    hidden = sorted(name for name in os.listdir(f"{work}/store") if name.startswith(".new"))
    os.close(live)
    equal(hidden, [".new-live"], "unfinished entries")


def test_the_catalog_entry_has_what_was_said(work):
    command = ["sh", "-c", "x \"$@\"", "sh", "{files:**.c}"]
    imported(work, make_tar([member("usr/f", b"x")]), "a/b:1", "--description", "d \u65e5", "--cmd",
             json.dumps(command), "--env", "A=b=c", "--env", "B=", "--workdir", "/w")
    entry = json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)[0]
    equal((entry["description"], entry["default_cmd"], entry["env"], entry["working_dir"]),
          ("d \u65e5", command, ["A=b=c", "B="], "/w"), "entry")


def test_names_near_an_unknown_one_are_said(work):
    for n, name in enumerate(("gcc:14", "gcc:13", "busybox:1.35")):
        imported(work, make_tar([member("usr/f", str(n).encode())]), name)
    contains(run("rm", "--store", f"{work}/store", "gcc:15").stderr, b"near names: gcc:13, gcc:14\n")
    contains(run("rm", "--store", f"{work}/store", "bosybox:1.35").stderr, b"near names: busybox:1.35\n")
    contains(run("rm", "--store", f"{work}/store", "zz:9").stderr, b"no image 'zz:9' here\n")
    equal(run("rm", "--store", f"{work}/store", "gcc:13", "busybox:1.35").returncode, 0, "rm")
    equal(len(glob.glob(f"{work}/store/*")), 1, "entries")


def test_a_broken_entry_is_named(work):
    os.makedirs(f"{work}/store/{'0' * 64}")
    with open(f"{work}/store/{'0' * 64}/image.json", "w") as file:
        file.write("{")
    contains(run("ls", "--store", f"{work}/store").stderr, b"catalog entry 0000")
    contains(run("ls", "--store", f"{work}/none").stderr, b"make images")


def test_wrong_usage_is_said(work):
    cases = [(("import", "-"), b"--name is missing"), (("import", "--name", "x:1"), b"say one tar file"),
             (("import", "--name", "X Y:1", "-"), b"'name' must be name:tag"),
             (("import", "--name", "x:1", "--cmd", "sh", "-"), b"--cmd takes a JSON array"),
             (("import", "--name", "x:1", "--cmd", "[1]", "-"), b"not a string"),
             (("import", "--name", "x:1", "--env", "A", "-"), b"KEY=value"),
             (("import", "--name", "x:1", "/nonexistent.tar"), b"opening /nonexistent.tar"),
             (("frob",), b"no command 'frob'"), (("rm",), b"say which image")]
    for arguments, message in cases:
        extra = ("--store", f"{work}/store") if arguments[0] in ("import", "rm") else ()
        done = run(arguments[0], *extra, *arguments[1:])
        equal(done.returncode != 0, True, str(arguments))
        contains(done.stderr, message)
    equal(os.path.exists(f"{work}/store"), False, "store")
    equal(run("--help").returncode, 0, "--help")
    equal(run("import", "--help").returncode, 0, "import --help")


def main():
    wanted = sys.argv[1:]
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items() if name.startswith("test_")]
    passed = failed = 0
    for name, test in tests:
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="pe-test-") as work:
            try:
                test(work)
                passed += 1
                print(f"ok {name}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
