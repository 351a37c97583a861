# SPDX-License-Identifier: Apache-2.0
"""The disks that `isolation` measures: an ext2 file system with the files of sysbench, as a raw and as a qcow2 image.

ext2 is the one that the kernels of all guests have: that of User Mode Linux has its driver, others mount it with
that of ext4. Its journal would be the only difference for this work."""
import contextlib
import os
import shutil
import subprocess

from . import sysbench
from .host_ways import Place, make_mount_points

SPARE_MIB = 256  # for the file system itself


def drop_caches():
    """Write back what is in memory of files, and forget it. It needs root."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")


class Disk:
    """The images, in a folder of their own."""

    def __init__(self, folder, root, quick):
        self.raw, self.qcow2 = os.path.join(folder, "disk.raw"), os.path.join(folder, "disk.qcow2")
        self.folder, self.root, self.quick = folder, root, quick

    def make(self, native):
        """Let sysbench write its files, and make images with them. `native` is the way to run it."""
        files = os.path.join(self.folder, "files")
        os.makedirs(files)
        shutil.copy(os.path.join(self.root, sysbench.DATA.lstrip("/"), "random"), files)
        place = Place(self.root, [(files, sysbench.DATA), (files, "/work")])
        make_mount_points(place)
        native.run(place, sysbench.prepare_command(sysbench.all_work(self.quick)))
        size_mib = max(sysbench.size_mib(work) for work in sysbench.all_work(self.quick) if work.needs == "write")
        with open(self.raw, "wb") as file:
            file.truncate((size_mib + 64 + SPARE_MIB) << 20)
        run_quietly("mkfs.ext2", "-q", "-F", "-d", files, self.raw)
        shutil.rmtree(files)

    def make_qcow2(self):
        """Convert the raw image, unless this has been done."""
        if not os.path.exists(self.qcow2):
            run_quietly("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.raw, self.qcow2)

    @contextlib.contextmanager
    def mounted(self):
        """The raw image, mounted on this host. Gives the folder."""
        folder = os.path.join(self.folder, "mounted")
        os.makedirs(folder, exist_ok=True)
        run_quietly("mount", "-o", "loop", self.raw, folder)
        try:
            yield folder
        finally:
            run_quietly("umount", folder)


def run_quietly(*command):
    """Run a command that prints only errors, which become those of pe-bench."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
