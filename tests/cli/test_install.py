# SPDX-License-Identifier: Apache-2.0
"""make install: everything is where a user and systemd look for it."""
import os
import re

from fixtures.installation import PROGRAMS, install
from fixtures.pe_run import run
from fixtures.stub_server import Server, answer


def files_below(tmp_path):
    return {
        os.path.relpath(os.path.join(folder, name), tmp_path)
        for folder, _, names in os.walk(tmp_path)
        for name in names
    }


def test_an_installation_has_programs_pages_completions_units_and_guest(tmp_path):
    install(tmp_path, "/usr/local")
    found = files_below(tmp_path)
    wanted = {f"usr/local/bin/{program}" for program in PROGRAMS}
    wanted |= {f"usr/local/share/bash-completion/completions/{program}" for program in PROGRAMS}
    wanted |= {f"usr/local/share/fish/vendor_completions.d/{program}.fish" for program in PROGRAMS}
    wanted |= {f"usr/local/share/zsh/site-functions/_{program}" for program in PROGRAMS}
    wanted |= {
        "usr/local/share/man/man1/pe-run.1",
        "usr/local/share/man/man8/pe-lb.8",
        "usr/local/share/man/man1/pe-image.1",
        "usr/local/share/man/man8/pe-worker.8",
        "usr/local/lib/systemd/system/pe-lb.service",
        "usr/local/lib/systemd/system/pe-lb.socket",
        "usr/local/lib/systemd/system/pe-worker.service",
        "usr/local/lib/sysusers.d/pe-lb.conf",
        "usr/local/share/doc/program-explorer/operations.md",
        "usr/local/share/doc/program-explorer/haproxy/haproxy.cfg",
        "var/lib/program-explorer/guest/vmlinux",
        "var/lib/program-explorer/guest/vmlinuz",
        "var/lib/program-explorer/guest/initramfs.cpio",
        "var/lib/program-explorer/guest/root.squashfs",
        "var/lib/program-explorer/image/build",
        "var/lib/program-explorer/image/recipes/gcc-14",
    }
    assert wanted - found == set(), "missing"
    assert {
        path for path in found if not os.path.exists(os.path.join(tmp_path, path))
    } == set(), "links that lead nowhere"
    with Server(answer(stdout=b"hi")) as server:
        assert (
            run("gcc:14", server=server, program=f"{tmp_path}/usr/local/bin/pe-run").stdout == b"hi"
        ), "the installed program"


def test_installed_units_name_the_installed_programs(tmp_path):
    for prefix in ("/usr", "/opt/pe"):
        install(tmp_path, prefix)
        for unit, program in (("pe-lb.service", "pe-lb"), ("pe-worker.service", "pe-worker")):
            with open(f"{tmp_path}{prefix}/lib/systemd/system/{unit}", encoding="utf-8") as file:
                text = file.read()
            assert f"ExecStart={prefix}/bin/{program} " in text
            document = re.search(r"Documentation=file:(\S+)", text).group(1)
            assert os.path.exists(f"{tmp_path}{document}"), document
    assert os.path.exists(
        f"{tmp_path}/usr/share/zsh/vendor-completions/_pe-run"
    ), "where Debian's zsh looks"


def test_installing_again_changes_nothing_and_removing_leaves_what_others_made(tmp_path):
    install(tmp_path, "/usr/local")
    first = files_below(tmp_path)
    install(tmp_path, "/usr/local")
    assert files_below(tmp_path) == first, "files"
    kept = f"{tmp_path}/var/lib/program-explorer/images/names/mine.json"
    os.makedirs(os.path.dirname(kept))
    with open(kept, "w", encoding="utf-8") as file:
        file.write("{}")
    install(tmp_path, "/usr/local", "--remove")
    assert files_below(tmp_path) == {os.path.relpath(kept, tmp_path)}, "what is left"
