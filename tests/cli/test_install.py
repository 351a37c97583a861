"""make install: everything is where a user and systemd look for it."""
import os
import re
import subprocess

from support import BUILD, TOP, Server, answer, contains, equal, run

PROGRAMS = ("pe-run", "pe-image", "pe-lb", "pe-worker")


def install(work, prefix, *arguments):
    build = os.path.join(TOP, "build")
    command = [*arguments, prefix, work] if arguments else [os.path.join(BUILD, "bin"), os.path.join(build, "guest"), prefix, work]
    return subprocess.run([os.path.join(TOP, "deploy", "install-files"), *command], check=True, capture_output=True, text=True)


def files_below(work):
    return {os.path.relpath(os.path.join(folder, name), work) for folder, _, names in os.walk(work) for name in names}


def test_an_installation_has_programs_pages_completions_units_and_guest(work):
    install(work, "/usr/local")
    found = files_below(work)
    wanted = {f"usr/local/bin/{program}" for program in PROGRAMS}
    wanted |= {f"usr/local/share/bash-completion/completions/{program}" for program in PROGRAMS}
    wanted |= {f"usr/local/share/fish/vendor_completions.d/{program}.fish" for program in PROGRAMS}
    wanted |= {"usr/local/share/zsh/site-functions/_pe-run", "usr/local/share/man/man1/pe-run.1", "usr/local/share/man/man8/pe-lb.8",
               "usr/local/share/man/man1/pe-image.1", "usr/local/share/man/man8/pe-worker.8",
               "usr/local/lib/systemd/system/pe-lb.service", "usr/local/lib/systemd/system/pe-lb.socket",
               "usr/local/lib/systemd/system/pe-worker.service", "usr/local/lib/sysusers.d/pe-lb.conf",
               "usr/local/share/doc/program-explorer/operations.md", "var/lib/program-explorer/guest/vmlinux",
               "var/lib/program-explorer/guest/initramfs.cpio", "var/lib/program-explorer/image/build",
               "var/lib/program-explorer/image/recipes/gcc-14"}
    equal(wanted - found, set(), "missing")
    equal({path for path in found if not os.path.exists(os.path.join(work, path))}, set(), "links that lead nowhere")
    with Server(answer(stdout=b"hi")) as server:
        equal(run("gcc:14", server=server, program=f"{work}/usr/local/bin/pe-run").stdout, b"hi", "the installed program")


def test_installed_units_name_the_installed_programs(work):
    for prefix in ("/usr", "/opt/pe"):
        install(work, prefix)
        for unit, program in (("pe-lb.service", "pe-lb"), ("pe-worker.service", "pe-worker")):
            with open(f"{work}{prefix}/lib/systemd/system/{unit}", encoding="utf-8") as file:
                text = file.read()
            contains(text, f"ExecStart={prefix}/bin/{program} ")
            document = re.search(r"Documentation=file:(\S+)", text).group(1)
            equal(os.path.exists(work + document), True, document)
    equal(os.path.exists(f"{work}/usr/share/zsh/vendor-completions/_pe-run"), True, "where Debian's zsh looks")


def test_installing_again_changes_nothing_and_removing_leaves_what_others_made(work):
    install(work, "/usr/local")
    first = files_below(work)
    install(work, "/usr/local")
    equal(files_below(work), first, "files")
    kept = f"{work}/var/lib/program-explorer/images/names/mine.json"
    os.makedirs(os.path.dirname(kept))
    with open(kept, "w", encoding="utf-8") as file:
        file.write("{}")
    install(work, "/usr/local", "--remove")
    equal(files_below(work), {os.path.relpath(kept, work)}, "what is left")
