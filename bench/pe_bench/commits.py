# SPDX-License-Identifier: Apache-2.0
"""Builds of commits of this repository, in folders of their own below build/bench-commits.

Kernels, packages and images are those of this build, which takes long: only what the commit's programs are made of
is compiled. A build that is there already is used again."""
import os
import shutil
import subprocess

from fixtures.paths import HOME, TOP

from .errors import BenchError

FOLDER = os.path.join(HOME, "bench-commits")
# What is the guest's own program code is made again; the rest of build/guest is the kernel and Debian's packages.
MADE_AGAIN = ("obj", "pe-init", "pe-shim", "initramfs.cpio", "root.squashfs")


def git(*arguments):
    done = subprocess.run(["git", "-C", TOP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def resolve(name):
    """The full hash of a commit."""
    if name.startswith("-"):
        raise BenchError(f"'{name}' is not the name of a commit")
    return git("rev-parse", "--verify", f"{name}^{{commit}}")


def export(commit, folder):
    """The files of the commit, without a repository."""
    os.makedirs(folder)
    with subprocess.Popen(["git", "-C", TOP, "archive", commit], stdout=subprocess.PIPE) as source:
        subprocess.run(["tar", "-x", "-C", folder], stdin=source.stdout, check=True)
    if source.returncode:
        raise BenchError(f"git archive {commit} failed")


def seed(build):
    """Fill a build folder with what does not depend on the commit."""
    os.makedirs(build)
    for name in "guest", "images":
        if not os.path.isdir(os.path.join(HOME, name)):
            raise BenchError(f"{HOME} has no {name}; run make guest images")
    shutil.copytree(os.path.join(HOME, "guest"), os.path.join(build, "guest"), symlinks=True)
    for name in MADE_AGAIN:
        path = os.path.join(build, "guest", name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)
    os.symlink(os.path.join(HOME, "images"), os.path.join(build, "images"))


def make(commit, tell):
    """The build folder of a commit. `tell` gets a line before something that takes long."""
    folder = os.path.join(FOLDER, commit[:12])
    build, done = os.path.join(folder, "build"), os.path.join(folder, ".pe-bench-is-built")
    if os.path.exists(done):
        return build
    tell(f"building {commit[:12]} in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    export(commit, folder)
    seed(build)
    environment = {key: value for key, value in os.environ.items() if key not in ("PE_BUILD", "PE_HOME", "MAKEFLAGS")}
    log = os.path.join(folder, "build.log")
    with open(log, "w", encoding="utf-8") as file:
        command = ["make", "-C", folder, "programs", "guest-programs", "guest"]
        status = subprocess.run(
            command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment, check=False
        ).returncode
    if status:
        raise BenchError(f"the build of {commit[:12]} failed with status {status}; see {log}")
    with open(done, "w", encoding="utf-8"):
        pass
    return build
