# SPDX-License-Identifier: Apache-2.0
"""Manual pages: well-formed, installed for every program, and with exactly the options that --help
has."""
import os
import re
import subprocess

from fixtures.help_text import help_of, options_of_help
from fixtures.paths import BUILD, TOP

PAGES = {
    "pe-run": "pe-run.1",
    "pe-image": "pe-image.1",
    "pe-lb": "pe-lb.8",
    "pe-worker": "pe-worker.8",
    "pe-vm": "pe-vm.1",
}
IMAGE_COMMANDS = (
    "pull",
    "import",
    "build",
    "ls",
    "inspect",
    "update",
    "tag",
    "rm",
    "verify",
    "gc",
    "export",
    "combine",
    "sync",
)


def section(program, name, level="Sh"):
    """The lines of a page between two headings."""
    with open(os.path.join(TOP, "docs", "man", PAGES[program]), encoding="utf-8") as page:
        text = page.read()
    stop = r"\n\.S[hs] " if level == "Ss" else r"\n\.Sh "
    found = re.search(rf"^\.{level} {name}\n(.*?)(?={stop}|\Z)", text, re.M | re.S)
    assert found is not None, f"section {name} of {program}"
    return found.group(1)


def options_of_page(text):
    return set(re.findall(r"^\.It (?:Fl (\w) , )?Fl Fl ([\w-]+)(?: Ar (\S+))?$", text, re.M))


def test_every_program_has_a_manual_page_without_errors(tmp_path):
    assert set(os.listdir(os.path.join(BUILD, "bin"))) == set(PAGES), "programs"
    assert set(os.listdir(os.path.join(TOP, "docs", "man"))) == set(PAGES.values()), "pages"
    for page in PAGES.values():
        done = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, "docs", "man", page)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, page
        assert done.stdout == "", page


def test_manual_pages_have_the_options_that_help_has_and_no_others(tmp_path):
    for program in ("pe-run", "pe-lb", "pe-worker"):
        assert options_of_page(section(program, "OPTIONS")) == options_of_help(program), program
    assert options_of_page(section("pe-run", "IMAGES")) == options_of_help(
        "pe-run", "images"
    ), "pe-run images"
    assert options_of_page(section("pe-run", "MCP")) == options_of_help("pe-run", "mcp"), "pe-run mcp"
    for command in ("join", "status"):
        common = options_of_page(section("pe-worker", "OPTIONS"))
        own = options_of_page(section("pe-worker", command.upper()))
        got = options_of_help("pe-worker", command)
        assert own - got == set() and got - own - common == set(), f"pe-worker {command}"
    for group, name in (("key", "KEYS"), ("token", "TOKENS OF HOSTS")):
        for command in commands_of("pe-lb", group):
            text = section("pe-lb", name)
            assert f"It Nm Cm {group} {command}" in text, f"pe-lb {group} {command}"
            for _, option, _ in options_of_help("pe-lb", group, command):
                assert option == "help" or f"Fl Fl {option}" in text, f"pe-lb {group} {command} --{option}"
    assert set(commands_of("pe-image")) == set(IMAGE_COMMANDS), "commands of pe-image"
    for program in ("pe-image", "pe-vm"):
        common = options_of_page(section(program, "OPTIONS"))
        for command in commands_of(program):
            own = options_of_page(section(program, command, "Ss"))
            got = options_of_help(program, command)
            assert own - got == set(), f"{program} {command}"
            assert got - own - common == set(), f"{program} {command}"
            assert own & common == set(), f"{program} {command}"


def commands_of(*program):
    return re.findall(r"^  ([\w-]+) ", help_of(*program), re.M)


def test_help_of_pe_run_fits_a_screen(tmp_path):
    for command, rows in (((), 30), (("images",), 24), (("mcp",), 24)):
        lines = help_of("pe-run", *command).splitlines()
        assert len(lines) <= rows, (len(lines), max(lines, key=len))
        assert max(map(len, lines)) <= 80, (len(lines), max(lines, key=len))


def test_every_program_has_help_and_h(tmp_path):
    for program in PAGES:
        done = subprocess.run(
            [os.path.join(BUILD, "bin", program), "-h"], capture_output=True, text=True
        )
        assert done.returncode == 0, program
        assert done.stdout == help_of(program), program


def test_the_manual_page_names_every_variable_that_the_program_reads(tmp_path):
    rooms = {"pe-run": ("cli",), "pe-lb": ("lb",), "pe-worker": ("worker",), "pe-image": ("image",), "pe-vm": ("vm",)}
    shared = {
        "base/home.c": ("pe-run", "pe-worker", "pe-image", "pe-vm"),
        "base/log.c": ("pe-lb", "pe-worker"),
    }
    for program, folders in rooms.items():
        files = [
            os.path.join(TOP, folder, name)
            for folder in folders
            for name in os.listdir(os.path.join(TOP, folder))
            if name.endswith(".c")
        ]
        files += [os.path.join(TOP, name) for name, users in shared.items() if program in users]
        read = set()
        for path in files:
            with open(path, encoding="utf-8") as source:
                read |= set(re.findall(r'(?:getenv|environment)\("(PE_\w+)"\)', source.read()))
        with open(os.path.join(TOP, "docs", "man", PAGES[program]), encoding="utf-8") as page:
            named = set(re.findall(r"\.(?:It )?Ev (PE_\w+)", page.read()))
        assert read - named == set(), program
