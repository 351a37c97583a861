# SPDX-License-Identifier: Apache-2.0
"""The store: names, what is replaced and removed, writers that die or meet."""
import fcntl
import glob
import io
import json
import os
import subprocess
import tarfile
import threading
import time

from fixtures.pe_image import ALIGN, PE_IMAGE, checked, imported, make_tar, member, run

# ---- the store ----


def test_an_image_of_the_same_name_is_replaced(tmp_path):
    old = imported(tmp_path, make_tar([member("usr/old", b"x")]))
    new = imported(tmp_path, make_tar([member("usr/new", b"x")]))
    assert not os.path.exists(old), "entries"
    assert os.path.exists(new), "entries"
    assert len(glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")) == 1, "entries"


def test_an_image_may_have_several_names(tmp_path):
    tar = make_tar([member("usr/f", b"x")])
    path = imported(tmp_path, tar)
    assert imported(tmp_path, tar, "other:1", "--description", "another") == path, "rootfs"
    assert run("tag", "--store", f"{tmp_path}/store", "other:1", "a/third:1").returncode == 0, "tag"
    listed = json.loads(run("ls", "--json", "--store", f"{tmp_path}/store").stdout)
    assert [(image["name"], image["description"]) for image in listed] == [
        ("a/third:1", "another"),
        ("other:1", "another"),
        ("test:1", ""),
    ], "images"
    assert len(glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")) == 1, "files"
    assert run("rm", "--store", f"{tmp_path}/store", "test:1", "a/third:1").returncode == 0, "rm"
    assert os.path.exists(path), "is kept for the last name"
    assert run("rm", "--store", f"{tmp_path}/store", "other:1").returncode == 0, "rm"
    assert not os.path.exists(path), "goes with the last name"


def test_verify_takes_the_digest_of_an_image_for_its_name(tmp_path):
    path = imported(tmp_path, make_tar([member("usr/f", b"x")]))
    digest = os.path.basename(os.path.dirname(path))
    named = ("verify", "--store", f"{tmp_path}/store", f"test@sha256:{digest}")
    assert run(*named).returncode == 0, "it is good"
    with open(path, "r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    done = run(*named)
    assert done.returncode == 1, "it is damaged"
    assert b"1 of 1 images are damaged" in done.stderr


def test_verify_lists_a_damaged_image_of_a_store_whose_path_is_not_utf8(tmp_path):
    folder = f"{tmp_path}/\udcff"
    os.mkdir(folder)
    os.truncate(imported(folder, make_tar([member("usr/f", b"x")])), 4096)
    done = run("verify", "--json", "--store", f"{folder}/store")
    assert done.returncode == 1
    [result] = json.loads(done.stdout)
    assert result["name"] == "test:1" and not result["good"]
    assert "2 MiB" in result["fault"]


def test_an_additional_name_needs_a_tag_and_no_digest(tmp_path):
    imported(tmp_path, make_tar([member("usr/f", b"x")]))
    for name in "other", "O T:1", "other:1@sha256:" + "0" * 64:
        done = run("tag", "--store", f"{tmp_path}/store", "test:1", name)
        assert done.returncode == 2, "a wrong command line"
        assert f"'{name}' is not the name of an image".encode() in done.stderr
    listed = json.loads(run("ls", "--json", "--store", f"{tmp_path}/store").stdout)
    assert [image["name"] for image in listed] == ["test:1"]


def test_leftovers_of_dead_imports_are_removed_but_not_those_of_running_ones(tmp_path):
    os.makedirs(f"{tmp_path}/store/.new-dead")
    open(f"{tmp_path}/store/.new-dead/rootfs.squashfs", "w").close()
    os.makedirs(f"{tmp_path}/store/.new-live")
    live = os.open(f"{tmp_path}/store/.new-live", os.O_RDONLY)
    fcntl.flock(live, fcntl.LOCK_EX)
    imported(tmp_path, make_tar([member("usr/f", b"x")]))
    hidden = sorted(name for name in os.listdir(f"{tmp_path}/store") if name.startswith(".new"))
    os.close(live)
    assert hidden == [".new-live"], "unfinished entries"


def test_the_catalog_entry_has_the_given_options(tmp_path):
    command = ["sh", "-c", 'x "$@"', "sh", "{files:**.c}"]
    imported(
        tmp_path,
        make_tar([member("usr/f", b"x")]),
        "a/b:1",
        "--description",
        "d \u65e5",
        "--cmd",
        json.dumps(command),
        "--env",
        "A=b=c",
        "--env",
        "B=",
        "--workdir",
        "/w",
    )
    entry = json.loads(run("ls", "--json", "--store", f"{tmp_path}/store").stdout)[0]
    assert entry["description"] == "d \u65e5", "entry"
    assert entry["default_cmd"] == command, "entry"
    assert entry["env"] == ["A=b=c", "B="], "entry"
    assert entry["working_dir"] == "/w", "entry"


def test_metadata_is_changed_without_importing_again(tmp_path):
    store = f"{tmp_path}/store"

    def write(content):
        with open(f"{tmp_path}/meta.json", "w") as file:
            json.dump(content, file)

    def update(*arguments):
        done = run("update", "--json", "--store", store, "a:1", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        entry = json.loads(run("ls", "--json", "--store", store).stdout)[0]
        assert entry == json.loads(done.stdout), "what is printed is what is stored"
        return entry

    write({"description": "old", "categories": ["a"], "warmup": ["true"], "default_cmd": ["x"]})
    options = ("--meta", f"{tmp_path}/meta.json", "--env", "A=1")
    rootfs = imported(tmp_path, make_tar([member("usr/f", b"x")]), "a:1", *options)
    before = json.loads(run("inspect", "--json", "--store", store, "a:1").stdout)
    entry = update("--description", "new")
    assert entry == {**before, "description": "new"}, "one field"
    write({"description": "newer", "inputs": [{"type": "text/plain", "patterns": ["*.txt"]}]})
    entry = update("--meta", f"{tmp_path}/meta.json")
    assert (entry["description"], entry.get("categories")) == ("newer", None), "metadata"
    assert entry["inputs"][0]["patterns"] == ["*.txt"], "metadata"
    assert (entry["env"], entry["default_cmd"]) == (["A=1"], ["x"]), "what the file does not have"
    assert not entry.get("warmup"), "metadata"
    entry = update("--cmd", '["y", "{files}"]', "--env", "B=2", "--workdir", "/usr")
    assert (entry["env"], entry["working_dir"]) == (["B=2"], "/usr"), "options"
    assert entry["digest"] == before["digest"] and os.path.exists(rootfs), "the rootfs stays"
    assert update("--cmd", '["z"]')["working_dir"] == "", "the directory belonged to the command"
    for arguments, message in (
        (("b:1",), b"there is no image 'b:1'"),
        (("a:1", "--cmd", '["x", "{mian}"]'), b"there is no placeholder '{mian}'"),
        (("a:1", "--workdir", "x"), b"'working_dir' must be an absolute path"),
        ((), b"expected one image"),
    ):
        done = run("update", "--store", store, *arguments)
        assert done.returncode != 0 and message in done.stderr, done.stderr


def test_misspelt_and_misplaced_placeholders_are_refused_with_a_reason(tmp_path):
    stage = {"language": "x", "version": "1.2.3", "run": ["x"]}
    commands = [
        # The field with a command, and what the message says; None: it is allowed.
        ({"default_cmd": ["x", "{mian}"]}, b"there is no placeholder '{mian}'"),
        ({"default_cmd": ["x", "{args}"]}, b"here: {files}, {files:GLOB} and {options}"),
        ({"default_cmd": ["x", "-o{files}"]}, b"must be an argument of its own"),
        ({"default_cmd": ["x", "{file:*.c}"]}, b"there is no placeholder '{file:*.c}'"),
        ({"default_cmd": ["x", "{files:*.c}", "{options}", "{files}"]}, None),
        ({"default_cmd": ["sh", "-c", "f() { x; }; echo ${1%.c}", "{}", "{print $1}"]}, None),
        ({"commands": [{"files": "*.c", "cmd": ["x", "{main}"]}]}, b"field 'commands'"),
        ({"warmup": ["x", "{files}"]}, b"placeholders here: none"),
        (
            {"piston": [{**stage, "run": ["./{main}"]}]},
            b"entry 1: metadata field 'run': './{main}'",
        ),
        ({"piston": [stage, {**stage, "compile": ["{mian}"]}]}, b"'piston', entry 2"),
        ({"piston": [{**stage, "run": ["{main}", "{args}"], "compile": ["{files}"]}]}, None),
    ]
    for metadata, message in commands:
        with open(f"{tmp_path}/meta.json", "w") as file:
            json.dump(metadata, file)
        done = run("import", "--check", "--name", "a:1", "--meta", f"{tmp_path}/meta.json")
        assert (done.returncode == 0) == (message is None), (metadata, done.stderr)
        assert message is None or message in done.stderr, done.stderr


def test_messages_about_metadata_name_the_rule_and_the_value(tmp_path):
    stage = {"language": "x", "version": "1.2.3", "run": ["x"]}
    cases = [
        ({"categories": "a"}, 'must be an array of at most 64 strings, not "a"'),
        ({"inputs": [{"type": "x"}]}, "as in text/plain, and an array 'patterns'"),
        ({"inputs": [{"type": "x"}]}, 'not {"type":"x"}'),
        ({"piston": [{**stage, "version": "14"}]}, 'semantic version such as "14.2.0", not "14"'),
        ({"piston": [{"language": "x", "run": ["x"]}]}, "'version' is missing; it must be"),
        ({"piston": [{**stage, "run": []}]}, "strings, the first of which is not empty, not []"),
        ({"piston": [{**stage, "runs": []}]}, "unknown key 'runs'"),
        ({"piston": [{**stage, "limit_overrides": {"run_timeout": 0}}]}, "run_timeout"),
        ({"piston": [{**stage, "limit_overrides": {"run_timeout": "5"}}]}, 'integer, not "5"'),
        ({"options": {"properties": {"o": {"type": "int", "argv": []}}}}, 'or number, not "int"'),
        ({"categories": ["x" * 200, 1]}, "xxx..."),
    ]
    for metadata, message in cases:
        with open(f"{tmp_path}/meta.json", "w") as file:
            json.dump(metadata, file)
        done = run("import", "--check", "--name", "a:1", "--meta", f"{tmp_path}/meta.json")
        assert done.returncode != 0, metadata
        assert message in done.stderr.decode(), done.stderr


def test_an_unknown_name_is_reported_with_suggestions(tmp_path):
    for n, name in enumerate(("gcc:14", "gcc:13", "busybox:1.35")):
        imported(tmp_path, make_tar([member("usr/f", str(n).encode())]), name)
    assert (
        b"did you mean gcc:13 or gcc:14?\n"
        in run("rm", "--store", f"{tmp_path}/store", "gcc:15").stderr
    )
    assert (
        b"did you mean busybox:1.35?\n"
        in run("rm", "--store", f"{tmp_path}/store", "bosybox:1.35").stderr
    )
    assert (
        b"no image 'zz:9' in the store\n"
        in run("rm", "--store", f"{tmp_path}/store", "zz:9").stderr
    )
    assert run("rm", "--store", f"{tmp_path}/store", "gcc:13", "busybox:1.35").returncode == 0, "rm"
    assert len(glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")) == 1, "entries"


def test_a_broken_entry_is_named(tmp_path):
    os.makedirs(f"{tmp_path}/store/names")
    with open(f"{tmp_path}/store/names/gcc:14.json", "w") as file:
        file.write("{")
    assert b"catalog entry names/gcc:14.json" in run("ls", "--store", f"{tmp_path}/store").stderr
    assert b"make images" in run("ls", "--store", f"{tmp_path}/none").stderr


def test_verify_finds_damaged_images(tmp_path):
    good = imported(tmp_path, make_tar([member("usr/f", b"x")]), "good:1")
    bad = imported(tmp_path, make_tar([member("usr/f", os.urandom(100000))]), "bad:1")
    assert run("verify", "--store", f"{tmp_path}/store").returncode == 0, "all is good"
    with open(bad, "r+b") as file:
        file.seek(4000)
        file.write(b"damage")
    done = run("verify", "--store", f"{tmp_path}/store", "--json")
    assert done.returncode == 1, "status"
    assert [(one["name"], one["good"]) for one in json.loads(done.stdout)] == [
        ("bad:1", False),
        ("good:1", True),
    ], "result"
    assert (
        run("verify", "--store", f"{tmp_path}/store", "good:1").returncode == 0
    ), "only the good one"
    os.truncate(good, 4096)
    assert b"2 MiB" in run("verify", "--store", f"{tmp_path}/store", "good:1").stdout


def test_gc_removes_images_without_a_name(tmp_path):
    path = imported(tmp_path, make_tar([member("usr/f", b"x")]), "lost:1")
    kept = imported(tmp_path, make_tar([member("usr/g", b"x")]), "kept:1")
    os.unlink(f"{tmp_path}/store/names/lost:1.json")
    open(f"{tmp_path}/store/.new-file-dead", "w").close()
    done = run("gc", "--json", "--store", f"{tmp_path}/store")
    assert json.loads(done.stdout) == {"removed": 1, "bytes": ALIGN}, "result"
    assert not os.path.exists(path), "files"
    assert os.path.exists(kept), "files"
    assert glob.glob(f"{tmp_path}/store/.new*") == [], "leftovers"


def test_two_writers_at_once_do_not_clash(tmp_path):
    tars = [make_tar([member(f"usr/{n}", os.urandom(300000)) for n in range(3)]) for _ in range(4)]
    for number, tar in enumerate(tars):
        with open(f"{tmp_path}/{number}.tar", "wb") as file:
            file.write(tar)
    processes = [
        subprocess.Popen(
            [
                PE_IMAGE,
                "import",
                "--name",
                f"a:{number % 2}",
                "--store",
                f"{tmp_path}/store",
                f"{tmp_path}/{number}.tar",
            ],
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for process in processes:
        assert (process.communicate()[1], process.returncode)[1] == 0, "status"
    assert run("verify", "--store", f"{tmp_path}/store").returncode == 0, "verify"
    assert len(glob.glob(f"{tmp_path}/store/*/rootfs.squashfs")) == 2, "files"
    assert glob.glob(f"{tmp_path}/store/.new*") == [], "leftovers"


def test_a_killed_writer_leaves_the_store_intact(tmp_path):
    old = imported(tmp_path, make_tar([member("usr/f", b"old")]), "a:1")
    tar = make_tar([member(f"usr/{n}", os.urandom(1000000)) for n in range(40)])
    for delay in (0.05, 0.2, 0.5):
        process = subprocess.Popen(
            [PE_IMAGE, "import", "--name", "a:1", "--store", f"{tmp_path}/store", "-"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=feed, args=(process, tar)).start()
        time.sleep(delay)
        process.kill()
        process.wait()
        assert json.loads(run("ls", "--json", "--store", f"{tmp_path}/store").stdout)[0]["digest"][
            7:
        ] == os.path.basename(os.path.dirname(old)), "the old image is there"
        assert run("verify", "--store", f"{tmp_path}/store").returncode == 0, "verify"
    assert run("gc", "--store", f"{tmp_path}/store").returncode == 0, "gc"
    assert glob.glob(f"{tmp_path}/store/.new*") == [], "leftovers"


def feed(process, data):
    try:
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
    except OSError:
        pass


def test_with_json_only_json_is_printed(tmp_path):
    done = run(
        "import",
        "--json",
        "--name",
        "a",
        "--store",
        f"{tmp_path}/store",
        "-",
        stdin=make_tar([member("usr/f", b"x")]),
    )
    assert json.loads(done.stdout)["name"] == "a:latest", "output"
    assert done.stderr == b"", "output"
    shown = json.loads(run("inspect", "--json", "--store", f"{tmp_path}/store", "a:latest").stdout)
    assert shown == json.loads(done.stdout), "inspect"
    assert b"user         0:0" in run("inspect", "--store", f"{tmp_path}/store", "a:latest").stdout


def test_a_terminal_shows_a_progress_bar(tmp_path):
    with open(f"{tmp_path}/a.tar", "wb") as file:
        file.write(make_tar([member(f"usr/{n}", os.urandom(1000000)) for n in range(20)]))
    done = checked(
        "script",
        "-qec",
        f"{PE_IMAGE} import --compress zstd --name a:1 --store {tmp_path}/store {tmp_path}/a.tar",
        "/dev/null",
    )
    assert b"writing    [##" in done


def test_wrong_usage_is_reported(tmp_path):
    cases = [
        (("import", "-"), b"--name is missing"),
        (("import", "--name", "x:1"), b"expected one file or directory"),
        (("import", "--name", "X Y:1", "-"), b"'name' must be name:tag"),
        (("import", "--name", "x:1", "--cmd", "sh", "-"), b"--cmd takes a JSON array"),
        (("import", "--name", "x:1", "--cmd", "[1]", "-"), b"not a string"),
        (("import", "--name", "x:1", "--env", "A", "-"), b"KEY=value"),
        (("import", "--name", "x:1", "--env", "A=\udcff", "-"), b"--env is not valid UTF-8"),
        (("import", "--name", "x:1", "/nonexistent.tar"), b"cannot open /nonexistent.tar"),
        (("build", "gcc:99"), b"no recipe 'gcc-99'; recipes:"),
        (("build", f"{tmp_path}/none/x"), f"cannot read the recipe {tmp_path}/none/x".encode()),
        (("build", "a", "b"), b"expected one recipe"),
        (("build", "--compress", "xz", "gcc:99"), b"there is no compressor 'xz'; choose lz4 or zstd"),
        (("frob",), b"no command 'frob'"),
        (("rm",), b"expected the names"),
    ]
    for arguments, message in cases:
        extra = ("--store", f"{tmp_path}/store") if arguments[0] in ("import", "rm") else ()
        done = run(arguments[0], *extra, *arguments[1:])
        assert done.returncode != 0, str(arguments)
        assert message in done.stderr
    assert not os.path.exists(f"{tmp_path}/store"), "store"
    assert run("--help").returncode == 0, "--help"
    assert run("import", "--help").returncode == 0, "import --help"


# ---- rights ----


def test_images_are_read_and_written_without_the_right_to_mount(tmp_path):
    without = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    mounted = subprocess.run([*without, "mount", "-t", "tmpfs", "none", tmp_path], stderr=subprocess.PIPE)
    assert mounted.returncode != 0, "what is run like this cannot mount"
    store, tar = f"{tmp_path}/store", make_tar([member("usr/f", b"content")])
    for name in "one:1", "two:1":
        checked(*without, PE_IMAGE, "import", "--name", name, "--store", store, "-", stdin=tar)
    checked(*without, PE_IMAGE, "combine", "--store", store, "one:1", "two:1")
    exported = checked(*without, PE_IMAGE, "export", "--store", store, "one:1", "-")
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        assert archive.extractfile("usr/f").read() == b"content"
