# SPDX-License-Identifier: Apache-2.0
"""A Debian 13 system in a directory, in which commands run with namespaces of their own."""
import hashlib
import os
import re
import shutil
import subprocess
import textwrap

from fixtures.paths import HOME, TOP

RELEASE = "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Everything that is mounted here goes away with the mount namespace, and every process with the
# process namespace.
ENTER = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" &&
exec chroot "$0" /usr/bin/env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /src && $1"
"""


def output_of(*command):
    return subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout


def package_lists():
    """The lines of the Makefile that name Debian packages."""
    with open(os.path.join(TOP, "Makefile")) as file:
        return re.findall(r"^\w*PACKAGES :=(?:.*\\\n)*.*", file.read(), re.M)


class Chroot:
    def __init__(self):
        self.root = os.path.join(HOME, "debian13")
        self.key = hashlib.sha256("\n".join([RELEASE, *package_lists()]).encode()).hexdigest()
        self.record = os.path.join(self.root, "made-for")

    def is_current(self):
        try:
            with open(self.record) as file:
                return file.read() == self.key
        except FileNotFoundError:
            return False

    def make(self):
        """Install a minimal system if there is none for these packages; copy the project."""
        if not self.is_current():
            shutil.rmtree(self.root, ignore_errors=True)
            self.install()
            with open(self.record, "w") as file:
                file.write(self.key)
        shutil.copy("/etc/resolv.conf", os.path.join(self.root, "etc/resolv.conf"))
        self.copy_tree()

    def install(self):
        mirror = output_of("deploy/debian-mirror").strip()
        assert mirror, "apt's sources name no Debian mirror"
        proxies = output_of(
            "apt-config",
            "dump",
            "--no-empty",
            "--format",
            '%F "%v";%n',
            "Acquire::http::Proxy",
            "Acquire::https::Proxy",
        )
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        subprocess.run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                "--include=make",
                f"--keyring={KEYRING}",
                *(f"--aptopt={line}" for line in proxies.splitlines()),
                RELEASE,
                self.root,
                f"deb {mirror} {RELEASE} main",
            ],
            check=True,
        )

    def copy_tree(self):
        """Replace /src by the files that git knows or would add; /src/build stays."""
        source = os.path.join(self.root, "src")
        os.makedirs(os.path.join(source, "build"), exist_ok=True)
        for name in os.listdir(source):
            path = os.path.join(source, name)
            if name == "build":
                continue
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(
                path
            )
        for path in output_of("git", "ls-files", "-co", "--exclude-standard").splitlines():
            if os.path.lexists(os.path.join(TOP, path)):
                os.makedirs(os.path.dirname(os.path.join(source, path)), exist_ok=True)
                shutil.copy2(
                    os.path.join(TOP, path), os.path.join(source, path), follow_symlinks=False
                )

    def run(self, command):
        """Run a shell command in /src and return its output. Fails if the command does."""
        process = subprocess.run(
            [
                "unshare",
                "--mount",
                "--propagation=private",
                "--pid",
                "--fork",
                "--kill-child",
                "bash",
                "-c",
                ENTER,
                self.root,
                command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        # Indented: tests/run counts only the tests outside of the chroot.
        print(textwrap.indent(process.stdout, "    "))
        assert process.returncode == 0, f"{command}: exit status {process.returncode}"
        return process.stdout
