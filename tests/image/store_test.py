"""The store: names, what is replaced and removed, writers that die or meet."""
import fcntl
import glob
import json
import os
import subprocess
import threading
import time

from support import ALIGN, PE_IMAGE, checked, contains, equal, imported, make_tar, member, run

# ---- the store ----

def test_an_image_of_the_same_name_is_replaced(work):
    old = imported(work, make_tar([member("usr/old", b"x")]))
    new = imported(work, make_tar([member("usr/new", b"x")]))
    equal((os.path.exists(old), os.path.exists(new)), (False, True), "entries")
    equal(len(glob.glob(f"{work}/store/*/rootfs.squashfs")), 1, "entries")


def test_an_image_may_have_several_names(work):
    tar = make_tar([member("usr/f", b"x")])
    path = imported(work, tar)
    equal(imported(work, tar, "other:1", "--description", "another"), path, "rootfs")
    equal(run("tag", "--store", f"{work}/store", "other:1", "a/third:1").returncode, 0, "tag")
    listed = json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)
    equal([(image["name"], image["description"]) for image in listed],
          [("a/third:1", "another"), ("other:1", "another"), ("test:1", "")], "images")
    equal(len(glob.glob(f"{work}/store/*/rootfs.squashfs")), 1, "files")
    equal(run("rm", "--store", f"{work}/store", "test:1", "a/third:1").returncode, 0, "rm")
    equal(os.path.exists(path), True, "is kept for the last name")
    equal(run("rm", "--store", f"{work}/store", "other:1").returncode, 0, "rm")
    equal(os.path.exists(path), False, "goes with the last name")


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
    contains(run("rm", "--store", f"{work}/store", "gcc:15").stderr, b"did you mean gcc:13 or gcc:14?\n")
    contains(run("rm", "--store", f"{work}/store", "bosybox:1.35").stderr, b"did you mean busybox:1.35?\n")
    contains(run("rm", "--store", f"{work}/store", "zz:9").stderr, b"no image 'zz:9' in the store\n")
    equal(run("rm", "--store", f"{work}/store", "gcc:13", "busybox:1.35").returncode, 0, "rm")
    equal(len(glob.glob(f"{work}/store/*/rootfs.squashfs")), 1, "entries")


def test_a_broken_entry_is_named(work):
    os.makedirs(f"{work}/store/names")
    with open(f"{work}/store/names/gcc:14.json", "w") as file:
        file.write("{")
    contains(run("ls", "--store", f"{work}/store").stderr, b"catalog entry names/gcc:14.json")
    contains(run("ls", "--store", f"{work}/none").stderr, b"make images")


def test_verify_finds_what_is_damaged(work):
    good = imported(work, make_tar([member("usr/f", b"x")]), "good:1")
    bad = imported(work, make_tar([member("usr/f", os.urandom(100000))]), "bad:1")
    equal(run("verify", "--store", f"{work}/store").returncode, 0, "all is good")
    with open(bad, "r+b") as file:
        file.seek(4000)
        file.write(b"damage")
    done = run("verify", "--store", f"{work}/store", "--json")
    equal(done.returncode, 1, "status")
    equal([(one["name"], one["good"]) for one in json.loads(done.stdout)], [("bad:1", False), ("good:1", True)], "result")
    equal(run("verify", "--store", f"{work}/store", "good:1").returncode, 0, "only the good one")
    os.truncate(good, 4096)
    contains(run("verify", "--store", f"{work}/store", "good:1").stdout, b"2 MiB")


def test_gc_removes_what_no_name_needs(work):
    path = imported(work, make_tar([member("usr/f", b"x")]), "lost:1")
    kept = imported(work, make_tar([member("usr/g", b"x")]), "kept:1")
    os.unlink(f"{work}/store/names/lost:1.json")
    open(f"{work}/store/.new-file-dead", "w").close()
    done = run("gc", "--json", "--store", f"{work}/store")
    equal(json.loads(done.stdout), {"removed": 1, "bytes": ALIGN}, "result")
    equal((os.path.exists(path), os.path.exists(kept)), (False, True), "files")
    equal(glob.glob(f"{work}/store/.new*"), [], "leftovers")


def test_two_writers_at_once_do_not_clash(work):
    tars = [make_tar([member(f"usr/{n}", os.urandom(300000)) for n in range(3)]) for _ in range(4)]
    for number, tar in enumerate(tars):
        with open(f"{work}/{number}.tar", "wb") as file:
            file.write(tar)
    processes = [subprocess.Popen([PE_IMAGE, "import", "--name", f"a:{number % 2}", "--store", f"{work}/store",
                                   f"{work}/{number}.tar"], stderr=subprocess.PIPE) for number in range(4)]
    for process in processes:
        equal((process.communicate()[1], process.returncode)[1], 0, "status")
    equal(run("verify", "--store", f"{work}/store").returncode, 0, "verify")
    equal(len(glob.glob(f"{work}/store/*/rootfs.squashfs")), 2, "files")
    equal(glob.glob(f"{work}/store/.new*"), [], "leftovers")


def test_a_killed_writer_leaves_the_store_whole(work):
    old = imported(work, make_tar([member("usr/f", b"old")]), "a:1")
    tar = make_tar([member(f"usr/{n}", os.urandom(1000000)) for n in range(40)])
    for delay in (0.05, 0.2, 0.5):
        process = subprocess.Popen([PE_IMAGE, "import", "--name", "a:1", "--store", f"{work}/store", "-"],
                                   stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=feed, args=(process, tar)).start()
        time.sleep(delay)
        process.kill()
        process.wait()
        equal(json.loads(run("ls", "--json", "--store", f"{work}/store").stdout)[0]["digest"][7:],
              os.path.basename(os.path.dirname(old)), "the old image is there")
        equal(run("verify", "--store", f"{work}/store").returncode, 0, "verify")
    equal(run("gc", "--store", f"{work}/store").returncode, 0, "gc")
    equal(glob.glob(f"{work}/store/.new*"), [], "leftovers")


def feed(process, data):
    try:
        process.stdin.write(data[:len(data) // 2])
        process.stdin.flush()
    except OSError:
        pass


def test_json_is_all_that_is_printed_with_json(work):
    done = run("import", "--json", "--name", "a", "--store", f"{work}/store", "-", stdin=make_tar([member("usr/f", b"x")]))
    equal((json.loads(done.stdout)["name"], done.stderr), ("a:latest", b""), "output")
    shown = json.loads(run("inspect", "--json", "--store", f"{work}/store", "a:latest").stdout)
    equal(shown, json.loads(done.stdout), "inspect")
    contains(run("inspect", "--store", f"{work}/store", "a:latest").stdout, b"user         0:0")


def test_a_bar_shows_progress_on_a_terminal(work):
    with open(f"{work}/a.tar", "wb") as file:
        file.write(make_tar([member(f"usr/{n}", os.urandom(1000000)) for n in range(20)]))
    done = checked("script", "-qec", f"{PE_IMAGE} import --name a:1 --store {work}/store {work}/a.tar", "/dev/null")
    contains(done, b"writing    [##")


def test_wrong_usage_is_said(work):
    cases = [(("import", "-"), b"--name is missing"), (("import", "--name", "x:1"), b"expected one file or directory"),
             (("import", "--name", "X Y:1", "-"), b"'name' must be name:tag"),
             (("import", "--name", "x:1", "--cmd", "sh", "-"), b"--cmd takes a JSON array"),
             (("import", "--name", "x:1", "--cmd", "[1]", "-"), b"not a string"),
             (("import", "--name", "x:1", "--env", "A", "-"), b"KEY=value"),
             (("import", "--name", "x:1", "/nonexistent.tar"), b"cannot open /nonexistent.tar"),
             (("build", "gcc:99"), b"no recipe 'gcc-99'; recipes:"), (("build", "../x"), b"expected one recipe"),
             (("frob",), b"no command 'frob'"), (("rm",), b"expected the names")]
    for arguments, message in cases:
        extra = ("--store", f"{work}/store") if arguments[0] in ("import", "rm") else ()
        done = run(arguments[0], *extra, *arguments[1:])
        equal(done.returncode != 0, True, str(arguments))
        contains(done.stderr, message)
    equal(os.path.exists(f"{work}/store"), False, "store")
    equal(run("--help").returncode, 0, "--help")
    equal(run("import", "--help").returncode, 0, "import --help")
