# SPDX-License-Identifier: Apache-2.0
"""pe-run images: of a server, and of this machine's store."""
import json
import os
import subprocess

from fixtures.paths import BUILD, TOP
from fixtures.pe_run import run
from fixtures.stub_server import CATALOG, Server, answer, catalog_pages, problem
from fixtures.terminal import Terminal

PE_IMAGE = os.path.join(BUILD, "bin", "pe-image")


def test_images_of_a_server_are_an_aligned_table(tmp_path):
    with Server(answer(), catalog_pages) as server:
        done = run("images", server=server)
        assert done.stdout.decode() == (
            "NAME          DESCRIPTION      CATEGORIES\n"
            "busybox:1.35  small ?[2Jtools  shell\n"
            "gcc:14        GCC für C        compiler, c\n"
            "gcc:13                       \n"
        ), "table"
        assert done.returncode == 0, "result"
        assert done.stderr == b"", "result"
        assert server.asked == ["/v1/images"], "result"
        assert (
            run("--server", server.url, "images", "-q").stdout == b"busybox:1.35\ngcc:14\ngcc:13\n"
        ), "options in front"
        assert json.loads(run("images", "--json", server=server).stdout) == CATALOG, "JSON"


def test_images_are_chosen_by_a_part_of_the_name_a_pattern_or_a_category(tmp_path):
    with Server(answer(), catalog_pages) as server:

        def names(*arguments):
            done = run("images", "-q", *arguments, server=server)
            return done.returncode, done.stdout.decode().split()

        assert names("gcc") == (0, ["gcc:14", "gcc:13"]), "part"
        assert names("*:14") == (0, ["gcc:14"]), "pattern"
        assert names("shell") == (0, ["busybox:1.35"]), "category"
        assert names("rust") == (66, []), "nothing"
        assert b"there is no such image" in run("images", "rust", server=server).stderr


def test_images_can_be_chosen_by_a_file_that_they_accept(tmp_path):
    with Server(answer(), catalog_pages) as server:
        run("images", "--file", "a b&c.ü", server=server)
        assert server.asked == ["/v1/images?file=a%20b%26c.%C3%BC"], "question"


def test_without_a_server_the_images_are_those_of_this_machine(tmp_path):
    home = os.path.join(TOP, "build")
    listed = subprocess.run(
        [PE_IMAGE, "ls", "--json", "--store", f"{home}/images"], capture_output=True, check=True
    ).stdout
    done = run("images", "--json", PE_HOME=home)
    assert json.loads(done.stdout) == json.loads(listed), "as pe-image ls says"
    assert run("images", "-q", "--file", "x/main.c", PE_HOME=home).stdout.split() == [
        b"gcc:14"
    ], "those for a C file"
    none = run("images", PE_HOME=tmp_path)
    assert none.returncode == 66, "no store"
    assert none.stdout == b"", "no store"
    assert b"pe-image" in none.stderr


def test_failures_of_pe_run_images_are_reported(tmp_path):
    with Server(answer(), lambda path: problem(503, "No capacity", "later")) as server:
        assert run("images", server=server).returncode == 75, "busy"
    with Server(
        answer(), lambda path: (200, {"Content-Type": "application/json"}, b"[]")
    ) as server:
        assert run("images", server=server).returncode == 125, "another answer"
    assert run("images", "--server", "http://127.0.0.1:9").returncode == 69, "nobody there"
    assert run("images", "a", "b").returncode == 64, "two patterns"
    assert run("images", "--json", "-q").returncode == 64, "two forms"


def test_an_image_that_is_called_images_can_still_be_run(tmp_path):
    with Server(answer(stdout=b"ran")) as server:
        assert run("images:latest", server=server).stdout == b"ran", "with its tag"


def test_a_table_on_a_terminal_fits_its_width(tmp_path):
    with Server(answer(), catalog_pages) as server:
        CATALOG[1]["description"] = "long " * 40
        try:
            terminal = Terminal("images", server=server, columns=60)
            assert terminal.end() == 0, "exit code"
        finally:
            CATALOG[1]["description"] = "GCC für C"
    lines = terminal.seen.decode().splitlines()
    assert [len(line) <= 60 for line in lines] == [True] * 4, lines
