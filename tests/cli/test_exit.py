# SPDX-License-Identifier: Apache-2.0
"""Exit codes: each is told apart, and documented."""
import os
import re

from fixtures.paths import TOP
from fixtures.pe_run import run, write
from fixtures.stub_server import Server, answer, problem

DOCUMENTED = {"1", "2", "64", "65", "66", "69", "75", "77", "78", "124", "125", "137", "153"}


def test_refusals_have_exit_codes_of_their_own(tmp_path):
    cases = [
        (problem(404, "No image", "none", "unknown-image"), 66),
        (problem(404, "Nothing", "here", "not-found"), 65),
        (problem(422, "Invalid", "field", "invalid-job"), 65),
        (problem(400, "Malformed", "x", "malformed-request"), 65),
        (problem(413, "Too large", "x", "too-large"), 65),
        (problem(429, "Too many", "x", "too-many-requests"), 75),
        (problem(503, "No capacity", "x", "no-capacity"), 75),
        (problem(503, "No worker", "x", "no-worker"), 75),
        (problem(504, "Lost", "x", "job-lost"), 125),
        (problem(500, "Failed", "x", "internal"), 125),
        ((502, {"Content-Type": "text/html"}, b"bad gateway"), 125),
        ((503, {"Content-Type": "text/html"}, b"x"), 75),
        ((404, {"Content-Type": "text/html"}, b"not ours"), 125),
        ((401, {"Content-Type": "text/html"}, b"x"), 77),
    ]
    for reply, code in cases:
        with Server(reply) as server:
            for form in ((), ("--json",)):
                done = run(*form, "gcc:14", server=server)
                assert done.returncode == code, (reply[0], reply[2])
                assert done.stdout == b"", (reply[0], reply[2])
                assert done.stderr.startswith(b"pe-run: "), done.stderr


def test_the_exit_code_of_the_program_is_passed_through(tmp_path):
    for code in (0, 1, 64, 66, 69, 124, 125, 126, 127, 137, 255):
        with Server(answer(exit_code=code)) as server:
            done = run("gcc:14", server=server)
            assert done.returncode == code, "exit code, and nothing is said about it"
            assert done.stderr == b"", "exit code, and nothing is said about it"


def test_a_missing_file_is_a_usage_error(tmp_path):
    with Server(answer()) as server:
        for arguments in (
            ("gcc:14", f"{tmp_path}/none.c"),
            ("--stdin", f"{tmp_path}/none", "gcc:14"),
            ("--bogus",),
            (),
        ):
            assert run(*arguments, server=server).returncode == 64, str(arguments)
        assert server.count == 0, "jobs"


def test_output_files_that_cannot_be_written_are_an_error_after_the_output(tmp_path):
    write(f"{tmp_path}/file")
    with Server(answer(stdout=b"out", files=[(b"a", b"A")])) as server:
        done = run("--output", f"{tmp_path}/file", "gcc:14", server=server)
    assert done.returncode == 125, "result"
    assert done.stdout == b"out", "result"


def test_every_exit_code_is_in_the_manual_page_and_the_source(tmp_path):
    with open(os.path.join(TOP, "cli", "exit.h")) as header:
        defined = set(re.findall(r"EXIT_\w+ = (\d+)", header.read())) - {"128"}
    with open(os.path.join(TOP, "docs", "man", "pe-run.1")) as page:
        section = page.read().split(".Sh EXIT STATUS")[1].split("\n.Sh ")[0]
    assert set(re.findall(r"^\.It (\d+)$", section, re.M)) - {"0"} == DOCUMENTED, "manual page"
    assert defined == DOCUMENTED, "cli/exit.h"
