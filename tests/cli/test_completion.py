# SPDX-License-Identifier: Apache-2.0
"""Completions, in the shells themselves: what a user who presses the tab key gets."""
import os
import socket
import subprocess

from fixtures.help_text import options_of_help
from fixtures.installation import install
from fixtures.paths import BUILD, HOME, TOP
from fixtures.pe_run import environment, write
from fixtures.stub_server import Server, answer, catalog_pages
from fixtures.terminal import Terminal
from fixtures.waiting import PATIENCE

COMPLETIONS = os.path.join(TOP, "cli", "completions")
PATH = os.path.join(BUILD, "bin") + ":/usr/bin:/bin"

# What is typed, and what a completion of it has to be: one that is unique is inserted.
UNIQUE = [
    ("pe-run gcc:14 ma", "pe-run gcc:14 main.c"),
    ("pe-run busy", "pe-run busybox:1.35"),
    ("pe-run --verb", "pe-run --verbose"),
    ("pe-run -v busy", "pe-run -v busybox:1.35"),
    ("pe-run -o fol", "pe-run -o folder/"),
    ("pe-run --stdin ma", "pe-run --stdin main.c"),
    ("pe-run gcc:14 -- cat ma", "pe-run gcc:14 -- cat main.c"),
    ("pe-run -p wo", "pe-run -p work"),
    ("pe-run im", "pe-run images"),
    ("pe-run images --fi", "pe-run images --file"),
    ("pe-run images busy", "pe-run images busybox:1.35"),
    ("pe-image insp", "pe-image inspect"),
    ("pe-image inspect busy", "pe-image inspect busybox:1.35"),
    ("pe-image pull --plain", "pe-image pull --plain-http"),
    ("pe-image import ma", "pe-image import main.c"),
    ("pe-vm cre", "pe-vm create"),
    ("pe-vm create --init", "pe-vm create --initramfs"),
    ("pe-lb --memc", "pe-lb --memcached"),
    ("pe-lb --tls-key ma", "pe-lb --tls-key main.c"),
    ("pe-worker --warm busy", "pe-worker --warm busybox:1.35"),
    ("pe-worker doc", "pe-worker doctor"),
    ("pe-lb doc", "pe-lb doctor"),
    ("pe-worker doctor --probe", "pe-worker doctor --probe-again"),
    ("pe-worker stat", "pe-worker status"),
    ("pe-worker status --run", "pe-worker status --run-dir"),
    ("pe-worker join --no-im", "pe-worker join --no-images"),
    ("pe-run gcc:14 --case", "pe-run gcc:14 --cases"),
    ("pe-run --job ma", "pe-run --job main.c"),
    ("pe-lb to", "pe-lb token"),
    ("pe-lb key rev", "pe-lb key revoke"),
    ("pe-lb token new --exp", "pe-lb token new --expires"),
]


def settings(tmp_path):
    write(f"{tmp_path}/here/main.c", b"int main;")
    os.makedirs(f"{tmp_path}/here/folder")
    write(
        f"{tmp_path}/config/program-explorer/config",
        b"[profile work]\nserver = http://127.0.0.1:9\n",
    )
    return {
        "PATH": PATH,
        "PE_HOME": HOME,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "XDG_DATA_HOME": f"{tmp_path}/data",
    }


def type_into(shell, typed, wanted):
    """Type a word and the tab key, see the line become what it should, and clear the line."""
    shell.seen = b""
    os.write(shell.fd, typed.encode() + b"\t")
    rest = wanted[len(typed) :].encode()
    shell.until(
        b"".join(
            b"(?:\x1b\\[[0-9;?]*[a-zA-Z])*"
            + (b"\\" + bytes([byte]) if not bytes([byte]).isalnum() else bytes([byte]))
            for byte in rest
        )
    )
    os.write(shell.fd, b"\x15")
    shell.read(0.05)


def test_bash_loads_and_completes(tmp_path):
    env = settings(tmp_path)
    install(f"{tmp_path}/installed", "/usr/local")
    link = f"{tmp_path}/data/bash-completion"
    os.makedirs(os.path.dirname(link))
    os.symlink(f"{tmp_path}/installed/usr/local/share/bash-completion", link)
    shell = Terminal(
        "--norc",
        "--noprofile",
        "-i",
        program="/bin/bash",
        cwd=f"{tmp_path}/here",
        columns=200,
        PS1="ready> ",
        **env,
    )
    shell.until(b"ready> ")
    os.write(shell.fd, b"source /usr/share/bash-completion/bash_completion; echo lo''aded\n")
    shell.until(b"loaded")
    for typed, wanted in UNIQUE:
        type_into(shell, typed, wanted)
    os.write(shell.fd, b"complete -p pe-lb\n")
    shell.until(b"complete -F _pe pe-lb")
    os.write(shell.fd, b"exit\n")
    shell.end()


def test_zsh_completes(tmp_path):
    env = settings(tmp_path)
    shell = Terminal(
        "-f", "-i", program="/bin/zsh", cwd=f"{tmp_path}/here", columns=200, PS1="ready> ", **env
    )
    shell.until(b"ready> ")
    os.write(
        shell.fd,
        f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo lo''aded\n".encode(),
    )
    shell.until(b"loaded")
    for typed, wanted in UNIQUE:
        type_into(shell, typed, wanted)
    os.write(shell.fd, b"exit\n")
    shell.end()


def fish(tmp_path, line, server=None, **more):
    env = {**environment(server), **settings_cache(tmp_path), **more}
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {COMPLETIONS}/pe.fish; complete -C '{line}'"],
        env=env,
        cwd=f"{tmp_path}/here",
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert done.returncode == 0, line
    assert done.stderr[:300] == "", line
    return [entry.split("\t") for entry in done.stdout.splitlines()]


def settings_cache(tmp_path):
    return {
        "PATH": PATH,
        "PE_HOME": HOME,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
    }


def test_fish_completes_with_descriptions(tmp_path):
    settings(tmp_path)
    for typed, wanted in UNIQUE:
        found = [entry[0] for entry in fish(tmp_path, typed)]
        assert found == [wanted.split(" ")[-1]], typed
    assert ["--watch", "run again whenever a FILE changes"] in fish(
        tmp_path, "pe-run --"
    ), "description"


def help_options(*command):
    return {"--" + name for _, name, _ in options_of_help(*command)}


def test_every_option_of_every_program_is_completed(tmp_path):
    settings(tmp_path)
    for command in (
        ("pe-run",),
        ("pe-run", "images"),
        ("pe-run", "mcp"),
        ("pe-image", "pull"),
        ("pe-image", "gc"),
        ("pe-vm", "create"),
        ("pe-lb",),
        ("pe-lb", "key", "new"),
        ("pe-lb", "token", "list"),
        ("pe-worker",),
        ("pe-worker", "join"),
        ("pe-worker", "status"),
    ):
        line = " ".join(command) + " --"
        assert {entry[0] for entry in fish(tmp_path, line)} == help_options(
            *command
        ), f"fish: {line}"
        assert set(bash_words(tmp_path, line)) == help_options(*command), f"bash: {line}"


def bash_words(tmp_path, line, server=None):
    """What bash would offer, by its completion function."""
    words = line.split(" ")
    script = (
        f"source /usr/share/bash-completion/bash_completion; source {COMPLETIONS}/pe.bash; COMP_WORDS=({line if words[-1] else line + '``'});"
        f"COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}};_pe; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**environment(server), **settings_cache(tmp_path)},
        cwd=f"{tmp_path}/here",
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert done.stderr == "", line
    return done.stdout.split()


def test_image_names_come_from_the_server_that_is_named(tmp_path):
    settings(tmp_path)
    with Server(answer(), catalog_pages) as server:
        wanted = ["gcc:13", "gcc:14"]
        assert (
            sorted(entry[0] for entry in fish(tmp_path, "pe-run gcc", server)) == wanted
        ), "fish, PE_SERVER"
        assert (
            sorted(entry[0] for entry in fish(tmp_path, f"pe-run -s {server.url} gcc")) == wanted
        ), "fish, --server"
        assert sorted(bash_words(tmp_path, "pe-run gcc", server)) == wanted, "bash, PE_SERVER"
        assert (
            sorted(bash_words(tmp_path, f"pe-run --server {server.url} gcc")) == wanted
        ), "bash, --server"


def test_a_server_that_does_not_answer_does_not_hang_the_shell(tmp_path):
    settings(tmp_path)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert fish(tmp_path, f"pe-run -s {url} gcc") == [], "fish"
        assert bash_words(tmp_path, f"pe-run -s {url} gcc") == [], "bash"


def test_names_that_a_server_made_up_are_never_run(tmp_path):
    import json

    settings(tmp_path)
    names = [
        "gcc:14",
        "gcc$(touch hit)",
        "gcc`touch hit`",
        "gcc;touch hit",
        "gcc' touch hit '",
        "gcc\x1b[2J",
    ]
    body = json.dumps({"images": [{"name": name} for name in names]}).encode()
    with Server(answer(), lambda path: (200, {"Content-Type": "application/json"}, body)) as server:
        assert bash_words(tmp_path, "pe-run gcc", server) == ["gcc:14"], "bash"
        fish(tmp_path, "pe-run gcc", server)
        shell = Terminal(
            "-f",
            "-i",
            program="/bin/zsh",
            cwd=f"{tmp_path}/here",
            columns=200,
            PS1="ready> ",
            **{**settings_cache(tmp_path), "PE_SERVER": server.url},
        )
        shell.until(b"ready> ")
        os.write(
            shell.fd,
            f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo lo''aded\n".encode(),
        )
        shell.until(b"loaded")
        os.write(shell.fd, b"pe-run gcc\t")
        shell.until(b"touch")
        os.write(shell.fd, b"\x15exit\n")
        shell.end()
    assert sorted(os.listdir(f"{tmp_path}/here")) == ["folder", "main.c"], "files"
