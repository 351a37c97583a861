# SPDX-License-Identifier: Apache-2.0
"""What pe-image believes of skopeo, which fetches from registries: nothing. A program in its place says
and writes what a skopeo that was taken over could."""
import json
import os
import shlex

import pytest

from fixtures.oci_layout import Layout
from fixtures.pe_image import make_tar, member, run

MANIFEST = json.dumps({"schemaVersion": 2})


class Skopeo:
    """A program of that name, which runs one command for `inspect` and another one for `copy`."""

    def __init__(self, folder):
        self.folder = f"{folder}/bin"
        os.mkdir(self.folder)

    def write(self, inspect, copy):
        path = f"{self.folder}/skopeo"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\ncase " $* " in\n*" inspect "*) {inspect} ;;\n*) {copy} ;;\nesac\n')
        os.chmod(path, 0o755)

    def hand_over(self, layout, inspect=f"echo {shlex.quote(MANIFEST)}"):
        """Write this layout to the folder in the last argument, which is oci:FOLDER:image."""
        arguments = 'for last; do :; done; folder=${last#oci:}; folder=${folder%:image}'
        self.write(inspect, f'{arguments}; mkdir -p "$folder" && cp -r {layout.path}/. "$folder"')


@pytest.fixture
def skopeo(tmp_path):
    return Skopeo(tmp_path)


def pull(tmp_path, skopeo):
    path = f"{skopeo.folder}:{os.environ['PATH']}"
    arguments = ("--json", "--store", f"{tmp_path}/store", "--name", "mine:1", "docker://localhost/mine:1")
    return run("pull", *arguments, env={**os.environ, "PATH": path})


def assert_refused(tmp_path, done, message):
    assert done.returncode != 0, done
    assert message in done.stderr, done
    store = f"{tmp_path}/store"
    assert not os.path.exists(store) or sorted(os.listdir(store)) == [".lock", "names"], os.listdir(store)


def image(tmp_path):
    return Layout(f"{tmp_path}/layout").add([make_tar([member("f", b"content")])])


def test_what_skopeo_writes_is_read_like_any_other_image(tmp_path, skopeo):
    layout = image(tmp_path)
    skopeo.hand_over(layout)
    done = pull(tmp_path, skopeo)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["name"] == "mine:1"


@pytest.mark.parametrize("kind", ["layer", "config", "manifest"])
def test_bytes_without_their_digest_are_not_taken_from_skopeo(tmp_path, skopeo, kind):
    layout = image(tmp_path)
    path = f"{layout.path}/blobs/sha256/"
    manifest = layout.manifests[0]["digest"][7:]
    with open(path + manifest, encoding="utf-8") as file:
        listed = json.load(file)
    digests = {"layer": listed["layers"][0]["digest"][7:], "config": listed["config"]["digest"][7:]}
    with open(path + digests.get(kind, manifest), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b" ")
    skopeo.hand_over(layout)
    assert_refused(tmp_path, pull(tmp_path, skopeo), b"digest")


def test_a_layout_that_skopeo_did_not_finish_is_refused(tmp_path, skopeo):
    skopeo.write(f"echo {shlex.quote(MANIFEST)}", ":")
    assert_refused(tmp_path, pull(tmp_path, skopeo), b"cannot")


@pytest.mark.parametrize("endless", ["exec yes", "exec yes >&2"])
def test_a_skopeo_that_prints_without_end_is_stopped(tmp_path, skopeo, endless):
    skopeo.hand_over(image(tmp_path), inspect=endless)
    assert_refused(tmp_path, pull(tmp_path, skopeo), b"skopeo cannot fetch")


def test_what_skopeo_says_commands_no_terminal(tmp_path, skopeo):
    skopeo.write(r"""printf 'msg="\033]0;title\007\302\233 rest"\n' >&2; exit 1""", ":")
    done = pull(tmp_path, skopeo)
    assert_refused(tmp_path, done, b"rest")
    assert not [byte for byte in done.stderr.decode() if byte < " " and byte != "\n" or "\x7f" <= byte < "\xa0"]
