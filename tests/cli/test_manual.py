"""Manual pages: well-formed, installed for every program, and with exactly the options that --help has."""
import os
import re
import subprocess

from support import BUILD, TOP, contains, equal

PAGES = {"pe-run": "pe-run.1", "pe-image": "pe-image.1", "pe-lb": "pe-lb.8", "pe-worker": "pe-worker.8"}
IMAGE_COMMANDS = ("pull", "import", "build", "ls", "inspect", "tag", "rm", "verify", "gc", "export", "combine", "fetch")


def help_of(*command):
    done = subprocess.run([os.path.join(BUILD, "bin", command[0]), *command[1:], "--help"], capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""), command)
    return done.stdout


def options_of_help(*command):
    """(letter, name, argument) each."""
    found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: ([^ ]+))?  ", help_of(*command), re.M)
    equal(len(found) > 0, True, command)
    return set(found)


def section(program, name, level="Sh"):
    """The lines of a page between two headings."""
    with open(os.path.join(TOP, "docs", "man", PAGES[program]), encoding="utf-8") as page:
        text = page.read()
    stop = r"\n\.S[hs] " if level == "Ss" else r"\n\.Sh "
    found = re.search(rf"^\.{level} {name}\n(.*?)(?={stop}|\Z)", text, re.M | re.S)
    equal(found is not None, True, f"section {name} of {program}")
    return found.group(1)


def options_of_page(text):
    return set(re.findall(r"^\.It (?:Fl (\w) , )?Fl Fl ([\w-]+)(?: Ar (\S+))?$", text, re.M))


def test_every_program_has_a_manual_page_that_mandoc_finds_nothing_wrong_with(work):
    equal(set(os.listdir(os.path.join(BUILD, "bin"))), set(PAGES), "programs")
    equal(set(os.listdir(os.path.join(TOP, "docs", "man"))), set(PAGES.values()), "pages")
    for page in PAGES.values():
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, "docs", "man", page)], capture_output=True,
                              text=True)
        equal((done.returncode, done.stdout), (0, ""), page)


def test_manual_pages_have_the_options_that_help_has_and_no_others(work):
    for program in ("pe-run", "pe-lb", "pe-worker"):
        equal(options_of_page(section(program, "OPTIONS")), options_of_help(program), program)
    equal(options_of_page(section("pe-run", "IMAGES")), options_of_help("pe-run", "images"), "pe-run images")
    listed = re.findall(r"^  (\w+) ", help_of("pe-image"), re.M)
    equal(set(listed), set(IMAGE_COMMANDS), "commands of pe-image")
    common = options_of_page(section("pe-image", "OPTIONS"))
    for command in IMAGE_COMMANDS:
        own = options_of_page(section("pe-image", command, "Ss"))
        got = options_of_help("pe-image", command)
        equal((own - got, got - own - common, own & common), (set(), set(), set()), f"pe-image {command}")


def test_help_of_pe_run_fits_a_screen(work):
    for command in ((), ("images",)):
        lines = help_of("pe-run", *command).splitlines()
        equal((len(lines) <= 24, max(map(len, lines)) <= 80), (True, True), (len(lines), max(lines, key=len)))


def test_every_program_knows_help_and_h(work):
    for program in PAGES:
        done = subprocess.run([os.path.join(BUILD, "bin", program), "-h"], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (0, help_of(program)), program)


def test_the_manual_page_names_every_variable_that_the_program_reads(work):
    rooms = {"pe-run": ("cli",), "pe-lb": ("lb",), "pe-worker": ("worker",), "pe-image": ("image",)}
    shared = {"base/home.c": ("pe-run", "pe-worker", "pe-image"), "base/log.c": ("pe-lb", "pe-worker")}
    for program, folders in rooms.items():
        files = [os.path.join(TOP, folder, name) for folder in folders for name in os.listdir(os.path.join(TOP, folder))
                 if name.endswith(".c")]
        files += [os.path.join(TOP, name) for name, users in shared.items() if program in users]
        read = set()
        for path in files:
            with open(path, encoding="utf-8") as source:
                read |= set(re.findall(r'(?:getenv|environment)\("(PE_\w+)"\)', source.read()))
        with open(os.path.join(TOP, "docs", "man", PAGES[program]), encoding="utf-8") as page:
            named = set(re.findall(r"\.(?:It )?Ev (PE_\w+)", page.read()))
        equal(read - named, set(), program)
