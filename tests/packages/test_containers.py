# SPDX-License-Identifier: Apache-2.0
"""deploy/containers: buildah builds the images, and a job runs in containers of them.

The base is a Debian 12 that mmdebstrap made, since no registry is needed for that. The containers run with
buildah's isolation "chroot", which works in a container, too: it confines little, but has the files,
the user and the program of the image. Only root can do this."""
import os
import shutil
import subprocess

import pytest

from fixtures import processes
from fixtures.debian_chroot import minimal_system, proxies, show
from fixtures.paths import HOME, TOP
from fixtures.waiting import eventually

PARTS = ("lb", "worker", "image", "cli")


class Buildah:
    """buildah with a storage of its own, which is removed at the end."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "STORAGE_DRIVER": "vfs",
            "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        }
        os.makedirs(folder)
        with open(f"{folder}/storage.conf", "w") as file:
            file.write(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n')

    def run(self, *command):
        done = subprocess.run(
            command, env=self.environment, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        show(done.stdout)
        assert done.returncode == 0, command
        return done.stdout

    def make_base(self):
        shutil.copy(minimal_system("bookworm"), f"{self.folder}/base.tar")
        with open(f"{self.folder}/apt.conf", "w") as file:
            file.write(proxies())
        with open(f"{self.folder}/Containerfile", "w") as file:
            file.write("FROM scratch\nADD base.tar /\nCOPY apt.conf /etc/apt/apt.conf.d/90proxy\n")
        self.run("buildah", "build", "-t", "localhost/debian:12", self.folder)

    def container(self, part):
        """The name of a new container of an image of this project."""
        return self.run("buildah", "from", "--pull-never", f"localhost/program-explorer-{part}").split()[-1]

    def command(self, container, *command, options=()):
        return ["buildah", "run", *options, container, "--", *command]


@pytest.fixture(scope="module")
def buildah(debian12_builder):
    folder = os.path.join(HOME, "packages/containers")
    shutil.rmtree(folder, ignore_errors=True)
    made = Buildah(folder)
    made.make_base()
    yield made
    made.run("buildah", "rm", "--all")
    shutil.rmtree(folder, ignore_errors=True)


def test_buildah_builds_every_image(buildah, debian12_builder):
    packages = f"{debian12_builder.chroot.root}/packages"
    buildah.run("deploy/containers/build", packages, "--pull-never", "--build-arg", "BASE=localhost/debian:12")
    images = buildah.run("buildah", "images", "--format", "{{.Name}}").split()
    assert {f"localhost/program-explorer-{part}" for part in PARTS} <= set(images)


def test_a_job_runs_in_containers(buildah, tmp_path):
    socket = tmp_path / "socket"  # a folder that all containers share, and in which pe-lb's user may write
    socket.mkdir()
    socket.chmod(0o777)
    shared = ["-v", f"{socket}:/run/pe"]
    address = "unix:/run/pe/socket"
    store = ["-v", f"{HOME}/images:/var/lib/program-explorer/images:ro"]
    started = []

    def start(part, *command, options=()):
        log = processes.Log(part, f"{tmp_path}/{part}")
        argv = buildah.command(buildah.container(part), *command, options=options)
        started.append(processes.start(argv, log, env=buildah.environment))

    try:
        start("lb", "pe-lb", "--listen", address, "--cache-dir", "/var/cache/pe-lb", options=shared)
        worker = ("pe-worker", "--server", address, "--vmm", "uml", "--slots", "1")
        start("worker", *worker, options=[*shared, *store])
        client = buildah.container("cli")
        job = ("pe-run", "--server", address, "busybox:1.35", "--", "echo", "hi")

        def answer():
            done = subprocess.run(
                buildah.command(client, *job, options=shared), env=buildah.environment, capture_output=True, text=True
            )
            return done.stdout == "hi\n"

        eventually(answer, "the job has run")
    finally:
        for process in reversed(started):
            processes.end(process)
