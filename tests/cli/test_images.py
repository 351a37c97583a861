"""pe-run images: of a server, and of this machine's store."""
import json
import os
import subprocess

from support import BUILD, TOP, Server, answer, contains, equal, problem, run, write
from test_terminal import Terminal

PE_IMAGE = os.path.join(BUILD, "bin", "pe-image")
CATALOG = [{"name": "busybox:1.35", "digest": "sha256:1", "description": "small \x1b[2Jtools", "categories": ["shell"]},
           {"name": "gcc:14", "digest": "sha256:2", "description": "GCC für C", "categories": ["compiler", "c"]},
           {"name": "gcc:13", "digest": "sha256:3"}]


def pages(path):
    if path.startswith("/v1/images"):
        return 200, {"Content-Type": "application/json"}, json.dumps({"images": CATALOG, "defaults": {}}).encode()
    return None


def test_images_of_a_server_are_an_aligned_table(work):
    with Server(answer(), pages) as server:
        done = run("images", server=server)
        equal(done.stdout.decode(), "NAME          DESCRIPTION      CATEGORIES\n"
                                    "busybox:1.35  small ?[2Jtools  shell\n"
                                    "gcc:14        GCC für C        compiler, c\n"
                                    "gcc:13                       \n",
              "table")
        equal((done.returncode, done.stderr, server.asked), (0, b"", ["/v1/images"]), "result")
        equal(run("--server", server.url, "images", "-q").stdout, b"busybox:1.35\ngcc:14\ngcc:13\n", "options in front")
        equal(json.loads(run("images", "--json", server=server).stdout), CATALOG, "JSON")


def test_images_are_chosen_by_a_part_of_the_name_a_pattern_or_a_category(work):
    with Server(answer(), pages) as server:
        def names(*arguments):
            done = run("images", "-q", *arguments, server=server)
            return done.returncode, done.stdout.decode().split()
        equal(names("gcc"), (0, ["gcc:14", "gcc:13"]), "part")
        equal(names("*:14"), (0, ["gcc:14"]), "pattern")
        equal(names("shell"), (0, ["busybox:1.35"]), "category")
        equal(names("rust"), (66, []), "nothing")
        contains(run("images", "rust", server=server).stderr, b"there is no such image")


def test_the_file_that_an_image_shall_take_is_asked_for(work):
    with Server(answer(), pages) as server:
        run("images", "--file", "a b&c.ü", server=server)
        equal(server.asked, ["/v1/images?file=a%20b%26c.%C3%BC"], "question")


def test_without_a_server_the_images_are_those_of_this_machine(work):
    home = os.path.join(TOP, "build")
    listed = subprocess.run([PE_IMAGE, "ls", "--json", "--store", f"{home}/images"], capture_output=True, check=True).stdout
    done = run("images", "--json", PE_HOME=home)
    equal(json.loads(done.stdout), json.loads(listed), "as pe-image ls says")
    equal(run("images", "-q", "--file", "x/main.c", PE_HOME=home).stdout.split(), [b"gcc:14"], "those for a C file")
    none = run("images", PE_HOME=work)
    equal((none.returncode, none.stdout), (66, b""), "no store")
    contains(none.stderr, b"pe-image")


def test_failures_of_images_are_said(work):
    with Server(answer(), lambda path: problem(503, "No capacity", "later")) as server:
        equal(run("images", server=server).returncode, 75, "busy")
    with Server(answer(), lambda path: (200, {"Content-Type": "application/json"}, b"[]")) as server:
        equal(run("images", server=server).returncode, 125, "another answer")
    equal(run("images", "--server", "http://127.0.0.1:9").returncode, 69, "nobody there")
    equal(run("images", "a", "b").returncode, 64, "two patterns")
    equal(run("images", "--json", "-q").returncode, 64, "two forms")


def test_an_image_that_is_called_images_can_still_be_run(work):
    with Server(answer(stdout=b"ran")) as server:
        equal(run("images:latest", server=server).stdout, b"ran", "with its tag")


def test_a_table_on_a_terminal_fits_its_width(work):
    with Server(answer(), pages) as server:
        CATALOG[1]["description"] = "long " * 40
        try:
            terminal = Terminal("images", server=server, columns=60)
            equal(terminal.end(), 0, "exit code")
        finally:
            CATALOG[1]["description"] = "GCC für C"
    lines = terminal.seen.decode().splitlines()
    equal([len(line) <= 60 for line in lines], [True] * 4, lines)
