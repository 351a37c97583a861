"""Completions, in the shells themselves: what a user who presses the tab key gets."""
import os
import subprocess

from support import BUILD, TOP, Server, answer, environment, equal, write
from test_images import pages
from test_install import install
from test_terminal import Terminal

COMPLETIONS = os.path.join(TOP, "cli", "completions")
PATH = os.path.join(BUILD, "bin") + ":/usr/bin:/bin"
HOME = os.path.join(TOP, "build")

# What is typed, and what a completion of it has to be: one that is unique is inserted.
UNIQUE = [("pe-run gcc:14 ma", "pe-run gcc:14 main.c"), ("pe-run busy", "pe-run busybox:1.35"), ("pe-run --verb", "pe-run --verbose"),
          ("pe-run -v busy", "pe-run -v busybox:1.35"), ("pe-run -o fol", "pe-run -o folder/"), ("pe-run -i ma", "pe-run -i main.c"),
          ("pe-run gcc:14 -- cat ma", "pe-run gcc:14 -- cat main.c"), ("pe-run -p wo", "pe-run -p work"),
          ("pe-run im", "pe-run images"), ("pe-run images --fi", "pe-run images --file"), ("pe-run images busy", "pe-run images busybox:1.35"),
          ("pe-image insp", "pe-image inspect"), ("pe-image inspect busy", "pe-image inspect busybox:1.35"),
          ("pe-image pull --plain", "pe-image pull --plain-http"), ("pe-image import ma", "pe-image import main.c"),
          ("pe-lb --memc", "pe-lb --memcached"), ("pe-lb --tls-key ma", "pe-lb --tls-key main.c"), ("pe-worker --warm busy", "pe-worker --warm busybox:1.35")]


def settings(work):
    write(f"{work}/here/main.c", b"int main;")
    os.makedirs(f"{work}/here/folder")
    write(f"{work}/config/program-explorer/config", b"[profile work]\nserver = http://127.0.0.1:9\n")
    return {"PATH": PATH, "PE_HOME": HOME, "HOME": work, "XDG_CONFIG_HOME": f"{work}/config", "XDG_DATA_HOME": f"{work}/data"}


def type_into(shell, typed, wanted):
    """Type a word and the tab key, see the line become what it should, and clear the line."""
    shell.seen = b""
    os.write(shell.fd, typed.encode() + b"\t")
    rest = wanted[len(typed):].encode()
    shell.until(b"".join(b"(?:\x1b\\[[0-9;?]*[a-zA-Z])*" + (b"\\" + bytes([byte]) if not bytes([byte]).isalnum() else bytes([byte]))
                         for byte in rest))
    os.write(shell.fd, b"\x15")
    shell.read(0.05)


def test_bash_loads_and_completes(work):
    env = settings(work)
    install(f"{work}/installed", "/usr/local")
    link = f"{work}/data/bash-completion"
    os.makedirs(os.path.dirname(link))
    os.symlink(f"{work}/installed/usr/local/share/bash-completion", link)
    shell = Terminal("--norc", "--noprofile", "-i", program="/bin/bash", cwd=f"{work}/here", columns=200, PS1="ready> ", **env)
    shell.until(b"ready> ")
    os.write(shell.fd, b"source /usr/share/bash-completion/bash_completion; echo lo''aded\n")
    shell.until(b"loaded")
    for typed, wanted in UNIQUE:
        type_into(shell, typed, wanted)
    os.write(shell.fd, b"complete -p pe-lb\n")
    shell.until(b"complete -F _pe pe-lb")
    os.write(shell.fd, b"exit\n")
    shell.end()


def test_zsh_completes(work):
    env = settings(work)
    shell = Terminal("-f", "-i", program="/bin/zsh", cwd=f"{work}/here", columns=200, PS1="ready> ", **env)
    shell.until(b"ready> ")
    os.write(shell.fd, f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo lo''aded\n".encode())
    shell.until(b"loaded")
    for typed, wanted in UNIQUE:
        type_into(shell, typed, wanted)
    os.write(shell.fd, b"exit\n")
    shell.end()


def fish(work, line, server=None, **more):
    env = {**environment(server), **settings_cache(work), **more}
    done = subprocess.run(["fish", "--no-config", "-c", f"source {COMPLETIONS}/pe.fish; complete -C '{line}'"], env=env, cwd=f"{work}/here",
                          capture_output=True, text=True, timeout=30)
    equal((done.returncode, done.stderr[:300]), (0, ""), line)
    return [entry.split("\t") for entry in done.stdout.splitlines()]


def settings_cache(work):
    return {"PATH": PATH, "PE_HOME": HOME, "HOME": work, "XDG_CONFIG_HOME": f"{work}/config"}


def test_fish_completes_with_descriptions(work):
    settings(work)
    for typed, wanted in UNIQUE:
        found = [entry[0] for entry in fish(work, typed)]
        equal(found, [wanted.split(" ")[-1]], typed)
    equal(["--watch", "run again whenever a FILE changes"] in fish(work, "pe-run --"), True, "description")


def help_options(*command):
    import test_manual
    return {"--" + name for _, name, _ in test_manual.options_of_help(*command)}


def test_every_option_of_every_program_is_completed(work):
    settings(work)
    for command in (("pe-run",), ("pe-run", "images"), ("pe-image", "pull"), ("pe-image", "gc"), ("pe-lb",), ("pe-worker",)):
        line = " ".join(command) + " --"
        equal({entry[0] for entry in fish(work, line)}, help_options(*command), f"fish: {line}")
        equal(set(bash_words(work, line)), help_options(*command), f"bash: {line}")


def bash_words(work, line, server=None):
    """What bash would offer, by its completion function."""
    words = line.split(" ")
    script = (f"source /usr/share/bash-completion/bash_completion; source {COMPLETIONS}/pe.bash; COMP_WORDS=({line if words[-1] else line + '``'});"
              f"COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}};_pe; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", script], env={**environment(server), **settings_cache(work)}, cwd=f"{work}/here",
                          capture_output=True, text=True, timeout=30)
    equal(done.stderr, "", line)
    return done.stdout.split()


def test_image_names_come_from_the_server_that_is_named(work):
    settings(work)
    with Server(answer(), pages) as server:
        wanted = ["gcc:13", "gcc:14"]
        equal(sorted(entry[0] for entry in fish(work, "pe-run gcc", server)), wanted, "fish, PE_SERVER")
        equal(sorted(entry[0] for entry in fish(work, f"pe-run -s {server.url} gcc")), wanted, "fish, --server")
        equal(sorted(bash_words(work, "pe-run gcc", server)), wanted, "bash, PE_SERVER")
        equal(sorted(bash_words(work, f"pe-run --server {server.url} gcc")), wanted, "bash, --server")


def test_a_server_that_does_not_answer_does_not_hang_the_shell(work):
    import socket
    import time
    settings(work)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        equal(fish(work, f"pe-run -s {url} gcc"), [], "fish")
        equal(bash_words(work, f"pe-run -s {url} gcc"), [], "bash")
        equal(time.monotonic() - started < 8, True, "it gives up")


def test_names_that_a_server_made_up_are_never_run(work):
    import json
    settings(work)
    names = ["gcc:14", "gcc$(touch hit)", "gcc`touch hit`", "gcc;touch hit", "gcc' touch hit '", "gcc\x1b[2J"]
    body = json.dumps({"images": [{"name": name} for name in names]}).encode()
    with Server(answer(), lambda path: (200, {"Content-Type": "application/json"}, body)) as server:
        equal(bash_words(work, "pe-run gcc", server), ["gcc:14"], "bash")
        fish(work, "pe-run gcc", server)
        shell = Terminal("-f", "-i", program="/bin/zsh", cwd=f"{work}/here", columns=200, PS1="ready> ",
                         **{**settings_cache(work), "PE_SERVER": server.url})
        shell.until(b"ready> ")
        os.write(shell.fd, f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo lo''aded\n".encode())
        shell.until(b"loaded")
        os.write(shell.fd, b"pe-run gcc\t")
        shell.until(b"touch")
        os.write(shell.fd, b"\x15exit\n")
        shell.end()
    equal(sorted(os.listdir(f"{work}/here")), ["folder", "main.c"], "files")
