# SPDX-License-Identifier: Apache-2.0
"""The Debian packages: built, installed, used, upgraded while a job runs, and purged.

Debian 12 and 13 are chroots below build/packages. The kernel of User Mode Linux and the playground
come from this build, because compiling them takes minutes. Only root can do this."""
import os
import shutil
import subprocess

import pytest

from fixtures.debian_chroot import INSTALL, Chroot, show
from fixtures.debian_packages import RELEASES, text_of
from fixtures.paths import HOME, TOP
from fixtures.waiting import eventually

NAMES = {f"program-explorer-{part}" for part in ("lb", "worker", "cli", "image")}
OPTIONS = "--server http://127.0.0.1:8080 --no-cache --timeout 60"
HERE = os.path.dirname(os.path.abspath(__file__))


def higher_version(package, folder):
    """The same package with a higher version, in `folder`."""
    tree = f"{folder}/tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = f"{tree}/DEBIAN/control"
    with open(control) as file:
        text = file.read()
    version = next(line.split()[1] for line in text.splitlines() if line.startswith("Version:"))
    with open(control, "w") as file:
        file.write(text.replace(f"Version: {version}\n", f"Version: {version}+next\n"))
    subprocess.run(["dpkg-deb", "-Znone", "-b", tree, folder], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


class Machine:
    """A clean system with the packages: a balancer, a worker and a client on one machine."""

    def __init__(self, builder):
        self.builder = builder
        self.chroot = Chroot(f"packages/{builder.system}", RELEASES[builder.system])
        shutil.rmtree(self.chroot.root, ignore_errors=True)
        self.chroot.make()

    def path(self, name):
        return os.path.join(self.chroot.root, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def calls(self):
        """What was started and stopped, in this order."""
        return self.read("/run/stand-in/calls").splitlines()

    def install(self):
        os.makedirs(self.path("/first"))
        for package in self.builder.packages():
            shutil.copy(package, self.path("/first"))
        shutil.copy(f"{TOP}/deploy/add-libh2o-source", self.path("/src"))
        shutil.copy(f"{TOP}/deploy/debian-mirror", self.path("/src"))
        self.chroot.run("apt-get update -q && ./add-libh2o-source")
        self.chroot.run(f"{INSTALL} /first/*.deb")

    def configure(self):
        """What an administrator does, and an image."""
        self.chroot.run("head -c 32 /dev/urandom | sha256sum | cut -c1-64 >/etc/program-explorer/token")
        self.chroot.run("chgrp pe-lb /etc/program-explorer/token && chmod 640 /etc/program-explorer/token")
        self.write("/etc/program-explorer/lb.env", "PE_LB_OPTIONS='--listen 127.0.0.1:8080'\n")
        self.write(
            "/etc/program-explorer/worker.env",
            "PE_SERVER=http://127.0.0.1:8080\nPE_WORKER_OPTIONS='--vmm uml+boot --slots 1'\n",
        )
        self.copy_image("busybox:1.35")

    def copy_image(self, name):
        record = f"{HOME}/images/names/{name}.json"
        store = self.path("/var/lib/program-explorer/images")
        os.makedirs(f"{store}/names", exist_ok=True)
        shutil.copy(record, f"{store}/names")
        digest = subprocess.run(
            ["sed", "-nE", 's/.*"sha256:([0-9a-f]+)".*/\\1/p', record], check=True, capture_output=True, text=True
        ).stdout.split()[0]
        shutil.copytree(os.path.realpath(f"{HOME}/images/{digest}"), f"{store}/{digest}")

    def start(self):
        """Let scripts of packages find a systemd, and start the services."""
        self.chroot.start()
        os.makedirs(self.path("/usr/local/sbin"), exist_ok=True)
        shutil.copy(f"{HERE}/systemctl", self.path("/usr/local/sbin/systemctl"))
        os.makedirs(self.path("/run/systemd/system"), exist_ok=True)
        self.chroot.run("systemctl start pe-lb.service pe-worker.service")

    def popen(self, command):
        return subprocess.Popen(
            self.chroot.command(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def files(self):
        """Every file of the project on the system, apart from logs and what the test put there."""
        found = self.chroot.run(
            "find / -xdev \\( -path /src -o -path /first -o -path /next -o -path /proc -o -path /var/lib/dpkg "
            "-o -path /etc/apt -o -path /var/log -o -path /run/stand-in \\) -prune -o \\( -name '*pe-*' -o -path '*program-explorer*' \\) -print"
        )
        ours = ("pe-lb", "pe-worker", "pe-run", "pe-image", "pe-vm", "program-explorer")
        return [path for path in found.split() if any(name in path for name in ours)]


@pytest.fixture(scope="module")
def machine(builder):
    made = Machine(builder)
    yield made
    for name in ("pe-lb.service", "pe-worker.service"):
        if os.path.exists(made.path(f"/var/log/{name}")):
            show(f"--- {name}\n{made.read(f'/var/log/{name}')}")
    made.chroot.stop()


def run(machine, script):
    """What a job printed, or why there is none, for example because no worker is connected yet."""
    return machine.chroot.run(f"pe-run {OPTIONS} busybox:1.35 -- sh -c '{script}' || true")


def test_dpkg_buildpackage_makes_four_packages(builder):
    assert {os.path.basename(path).split("_")[0] for path in builder.packages()} == NAMES


def test_lintian_finds_nothing(builder):
    if builder.system == "debian12":  # whose lintian the packages are written for
        assert builder.chroot.run("lintian --allow-root /packages/*.changes") == ""


def test_the_worker_says_where_the_sources_of_its_guests_are(builder):
    (worker,) = [path for path in builder.packages() if "-worker_" in path]
    kernels = [text_of("build/guest/VERSION"), text_of("build/guest/uml/VERSION")]
    built_using = subprocess.run(
        ["dpkg-deb", "-f", worker, "Built-Using"], check=True, capture_output=True, text=True
    ).stdout
    for version in kernels:
        assert f"linux (= {version.splitlines()[0].split()[1]})" in built_using
    assert "crun (= " in built_using and "busybox (= " in built_using


def test_the_packages_install(machine):
    machine.install()
    foreign = machine.chroot.installed_from("bookworm") if machine.builder.system == "debian13" else set()
    assert foreign <= {"libh2o-evloop0.13"}, "only libh2o comes from Debian 12"
    assert "pe-lb" in machine.chroot.run("getent passwd pe-lb")


def test_a_job_runs(machine):
    machine.configure()
    machine.start()
    eventually(lambda: "hi\n" in run(machine, "echo hi"), "a job runs")


def test_an_upgrade_lets_the_running_job_finish(machine):
    os.makedirs(machine.path("/next"))
    for package in machine.builder.packages():
        higher_version(package, machine.path("/next"))
    job = machine.popen(
        f"pe-run {OPTIONS} busybox:1.35 -- sh -c 'echo begun; sleep 20; echo finished'"
    )
    assert job.stdout.readline() == "begun\n"
    machine.chroot.run("dpkg -i /next/*.deb")
    assert job.communicate()[0] == "finished\n" and job.returncode == 0
    calls = machine.calls()[2:]
    assert calls.index("stopped pe-worker.service") < calls.index("start pe-worker.service")
    assert calls.index("stopped pe-lb.service") < calls.index("start pe-lb.service")
    assert "--listen" in machine.read("/etc/program-explorer/lb.env"), "settings are kept"
    assert "+next" in machine.chroot.run("dpkg-query -W program-explorer-worker")
    eventually(lambda: "again\n" in run(machine, "echo again"), "a job runs after the upgrade")


def test_purging_removes_everything_but_images(machine):
    machine.chroot.run("dpkg --purge " + " ".join(sorted(NAMES)))
    assert machine.calls()[-1].startswith("stopped ")
    kept = [path for path in machine.files() if not path.startswith("/var/lib/program-explorer/images")]
    assert kept == ["/var/lib/program-explorer"]
    assert machine.chroot.run("grep -lsE '^/usr/bin/pe-(lb|worker)' /proc/[0-9]*/cmdline || true") == ""
