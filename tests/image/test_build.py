# SPDX-License-Identifier: Apache-2.0
"""Recipes: what image/build makes of them. A stand-in for mmdebstrap "installs" a folder, and runs
the hooks as the real program does."""
import glob
import json
import os
import signal
import subprocess

import pytest

from fixtures.paths import TOP
from fixtures.pe_image import PE_IMAGE, unpacked
from fixtures.waiting import PATIENCE, eventually

STAND_IN = """#!/bin/bash
set -e
echo "$@" >"$STAND_IN/arguments"
[ ! -e "$STAND_IN/stays" ] || exec "$STAND_IN/bin/stay"
[ ! -e "$STAND_IN/error" ] || { cat "$STAND_IN/error" >&2; exit 25; }
root=$(mktemp -d "$STAND_IN/root.XXXXXX")
cp -a "$STAND_IN/packages/." "$root"
for argument; do
    case $argument in
    --essential-hook=*) sh -c "${argument#*=}" exec "$root" ;;
    esac
done
(cd "$root" && find . -type d | sort) >"$STAND_IN/installed"
for argument; do
    case $argument in
    --customize-hook=* | --extract-hook=*) sh -c "${argument#*=}" exec "$root" ;;
    esac
done
while [ $# -gt 3 ]; do shift; done
tar -C "$root" -cf "$2" .
"""

# mmdebstrap that is interrupted, or killed by a pipe that nobody reads, while a file system is mounted.
STAY = """#!/bin/bash
root=$(mktemp -d)
[ "$(id -u)" -ne 0 ] || mount -t tmpfs stays "$root"
echo "$root" >"$STAND_IN/stays"
while :; do sleep 0.1; done
"""


class Recipes:
    """A folder for recipes, outside of the installation."""

    def __init__(self, path):
        self.path = path
        self.packages = f"{path}/packages"
        os.makedirs(f"{path}/bin")
        os.makedirs(f"{path}/my recipes")
        for name, text in (("mmdebstrap", STAND_IN), ("stay", STAY)):
            with open(f"{path}/bin/{name}", "w") as file:
                file.write(text)
            os.chmod(f"{path}/bin/{name}", 0o755)
        for name in (
            "usr/bin/tool",
            "usr/bin/perl5.99",
            "usr/share/doc/x/copyright",
            "etc/passwd-",
        ):
            self.add(name)

    def add(self, name, content="x"):
        os.makedirs(os.path.dirname(f"{self.packages}/{name}"), exist_ok=True)
        with open(f"{self.packages}/{name}", "w") as file:
            file.write(content)

    def start(self, recipe, metadata=None):
        """Begin to build a recipe, whose text begins with the fields that every recipe has."""
        path = f"{self.path}/my recipes/thing-1"
        with open(path, "w") as file:
            file.write(recipe)
        with open(path + ".json", "w") as file:
            file.write(json.dumps(metadata if metadata is not None else {"description": "a thing"}))
        environment = {
            **os.environ,
            "PATH": f"{self.path}/bin:{os.environ['PATH']}",
            "STAND_IN": self.path,
            "TMPDIR": self.path,
            "PE_DEBIAN_MIRROR": "http://mirror.invalid/debian",
        }
        command = [PE_IMAGE, "build", "--store", f"{self.path}/store", path]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def build(self, recipe, metadata=None):
        """Build it to the end."""
        process = self.start(recipe, metadata)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def read(self, name):
        """A file beside the recipes."""
        with open(f"{self.path}/{name}") as file:
            return file.read()

    def left_behind(self):
        """Folders of builds."""
        return [name for name in os.listdir(self.path) if name.startswith("pe-image-build")]

    def still_runs(self):
        """Whether the stand-in that stays does."""
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path) as file:
                    if f"{self.path}/bin/stay" in file.read():
                        return True
            except (FileNotFoundError, ProcessLookupError):
                pass
        return False

    def tree(self):
        """What the image `thing:1` has."""
        with open(f"{self.path}/store/names/thing:1.json") as file:
            digest = json.load(file)["digest"][7:]
        return unpacked(self.path, f"{self.path}/store/{digest}/rootfs.squashfs")


@pytest.fixture
def recipes(tmp_path):
    return Recipes(str(tmp_path))


MINIMAL = "name=thing:1\nsuite=trixie\npackages=(tool)\n"


def test_a_recipe_of_three_lines_is_enough_and_may_be_anywhere(recipes):
    done = recipes.build(MINIMAL)
    assert done.returncode == 0, done.stderr
    root = recipes.tree()
    assert sorted(os.listdir(f"{root}/usr/bin")) == ["perl5.99", "tool"], "programs"
    assert not os.path.exists(f"{root}/usr/share/doc/x"), "documentation"
    assert not os.path.exists(f"{root}/etc/passwd-"), "backups"
    with open(f"{recipes.path}/store/names/thing:1.json") as file:
        entry = json.load(file)
    assert entry["description"] == "a thing", "metadata"
    assert "HOME=/tmp" in entry["env"] and "LANG=C.UTF-8" in entry["env"], "environment"
    with open(f"{recipes.path}/arguments") as file:
        arguments = file.read()
    assert "--variant=essential --include=tool" in arguments, "arguments of mmdebstrap"
    assert recipes.left_behind() == []


@pytest.mark.parametrize("trim", ["", "trim=()\n"])
def test_nothing_needs_to_be_trimmed(recipes, trim):
    done = recipes.build(MINIMAL + trim)
    assert done.returncode == 0, done.stderr


def test_patterns_of_trim_match_files_of_the_image_and_not_of_this_machine(recipes):
    # /usr/bin/pe* matches files of the machine that runs this test, for example perl5.36.0.
    recipes.add("usr/lib/a b/c", "with a space")
    trim = "trim=(/usr/bin/pe* '/usr/lib/a b' /usr/lib/none*)\n"
    done = recipes.build(MINIMAL + trim)
    assert done.returncode == 0, done.stderr
    root = recipes.tree()
    assert os.listdir(f"{root}/usr/bin") == ["tool"], "programs"
    assert os.listdir(f"{root}/usr/lib") == [], "a name with a space"


def test_trim_never_leaves_the_image(recipes):
    os.makedirs(f"{recipes.path}/outside")
    recipes_outside = f"{recipes.path}/outside/precious"
    with open(recipes_outside, "w") as file:
        file.write("precious")
    os.makedirs(f"{recipes.packages}/var")
    os.symlink(f"{recipes.path}/outside", f"{recipes.packages}/var/link")
    os.symlink("../usr", f"{recipes.packages}/var/inside")
    for pattern in ("/var/link/*", "/var/link/precious", "/var/l*/precious"):
        done = recipes.build(MINIMAL + f"trim=('{pattern}')\n")
        assert done.returncode != 0, pattern
        assert f"'{pattern}' of 'trim' leads out of the image" in done.stderr, done.stderr
    assert os.path.exists(recipes_outside), "the file of this machine"
    done = recipes.build(MINIMAL + "trim=(/var/link /var/inside/bin/perl*)\n")
    assert done.returncode == 0, done.stderr
    assert os.path.exists(recipes_outside), "the link is removed, and not its target"
    root = recipes.tree()
    assert os.listdir(f"{root}/usr/bin") == ["tool"], "through a link inside"
    assert os.listdir(f"{root}/var") == ["inside"], "the link"


def test_metadata_is_checked_before_anything_is_installed(recipes):
    cases = [
        ({"descripton": "x"}, "unknown field 'descripton'"),
        ({"default_cmd": ["tool", "{mian}"]}, "there is no placeholder '{mian}'"),
        ({"piston": [{"language": "x", "version": "1", "run": ["x"]}]}, 'not "1"'),
    ]
    for metadata, message in cases:
        done = recipes.build(MINIMAL, metadata)
        assert done.returncode != 0, message
        assert message in done.stderr, done.stderr
    done = recipes.build(MINIMAL + "env=(WRONG)\n")
    assert "'WRONG', which is not KEY=value" in done.stderr, done.stderr
    assert not os.path.exists(f"{recipes.path}/arguments"), "mmdebstrap has not run"


def test_wrong_recipes_are_refused_with_what_to_write(recipes):
    cases = [
        ("suite=trixie\npackages=(x)\n", "does not set 'name'"),
        ("name=thing:1\npackages=(x)\n", "does not set 'suite'"),
        ("name=thing:1\nsuite=trixie\n", "'packages' of"),
        ("name=thing:1\nsuite=trixie\npackages=x\n", None),
        (MINIMAL + "variant=all\n", "it must be essential, extract"),
        (MINIMAL + "trim=(usr/bin)\n", "a path in the image begins with /"),
        (MINIMAL + "trim=(/)\n", "has '/', which is not allowed"),
        (MINIMAL + "trim=(/usr/../etc)\n", "which is not allowed"),
    ]
    for recipe, message in cases:
        done = recipes.build(recipe)
        assert message is None or (done.returncode != 0 and message in done.stderr), done.stderr
    done = recipes.build("name='X Y'\nsuite=trixie\npackages=(x)\n")
    assert "must be name:tag, not 'X Y:latest'" in done.stderr, done.stderr


def test_a_recipe_that_is_not_found_is_answered_with_those_that_are(recipes):
    def refusal(argument):
        command = [PE_IMAGE, "build", "--store", f"{recipes.path}/store", argument]
        done = subprocess.run(command, cwd=recipes.path, capture_output=True, text=True)
        assert done.returncode != 0, argument
        return done.stderr

    listed = refusal("none:1").split("recipes: ")[1].split()
    assert "tcl-8" in listed and listed == sorted(listed), listed
    with open(f"{recipes.path}/mine-1", "w") as file:
        file.write(MINIMAL)
    assert "the one in this directory is ./mine-1" in refusal("mine:1")
    assert "mine-1.json with the metadata" in refusal("./mine-1")


def test_a_failed_build_keeps_its_log_and_says_where(recipes):
    done = recipes.build(MINIMAL + 'customize() {\n    echo hello >&2\n    mv "$1/none" x\n}\n')
    assert done.returncode != 0
    assert "failed: mv" in done.stderr, done.stderr
    log = done.stderr.strip().split(" ")[-1]
    assert log.startswith(recipes.path), done.stderr
    with open(log) as file:
        assert "hello" in file.read(), "the log"
    assert os.listdir(os.path.dirname(log)) == ["log"], "nothing else is left"
    assert not os.path.exists(f"{recipes.path}/store/names/thing:1.json"), "no image"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_interrupted_leaves_no_files_mounts_and_processes(recipes, number):
    with open(f"{recipes.path}/stays", "w"):
        pass
    process = recipes.start(MINIMAL)
    eventually(lambda: recipes.read("stays"), "mmdebstrap has begun")
    root = recipes.read("stays").strip()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C reaches all
    else:
        process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    with open("/proc/self/mounts") as file:
        assert root not in file.read()
    assert recipes.left_behind() == []
    eventually(lambda: not recipes.still_runs(), "mmdebstrap has ended")


@pytest.mark.parametrize(
    "error", ["Unable to locate package tool", "Package 'tool' has no installation candidate"]
)
def test_a_package_that_the_release_does_not_have_is_named(recipes, error):
    with open(f"{recipes.path}/error", "w") as file:
        file.write(f"Reading package lists...\nE: {error}\nI: removing tempdir...\n")
    done = recipes.build(MINIMAL)
    assert done.returncode != 0
    assert "Debian trixie has no package tool" in done.stderr, done.stderr
    assert "removing tempdir" not in done.stderr, "the rest of the log does not help"
    with open(done.stderr.strip().split(" ")[-1]) as file:
        assert error in file.read(), "the log"


def test_packages_find_the_directory_for_manual_pages(recipes):
    done = recipes.build(MINIMAL)
    assert done.returncode == 0, done.stderr
    with open(f"{recipes.path}/installed") as file:
        assert "./usr/share/man/man1\n" in file.readlines(), "before other packages"
    assert not os.path.exists(f"{recipes.tree()}/usr/share/man/man1"), "in the image"


def test_every_recipe_of_the_project_has_valid_metadata():
    folder = f"{TOP}/image/recipes"
    names = [name for name in os.listdir(folder) if not name.endswith(".json")]
    assert len(names) >= 8, "recipes"
    for name in names:
        command = [
            PE_IMAGE,
            "import",
            "--check",
            "--name",
            "a:1",
            "--meta",
            f"{folder}/{name}.json",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"
