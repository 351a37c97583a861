# SPDX-License-Identifier: Apache-2.0
"""Disks of pe-vm: qcow2 files, and raw files with a file system, which pe-bench isolation measures."""
import os
import struct
import subprocess

import pytest

from fixtures.paths import program

SIZE = 16 << 20
CLUSTER = 1 << 16


def write_empty_qcow2(path):
    """A disk without content: a header, and tables in which nothing is allocated (qcow2.txt of QEMU, version 2)."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, SIZE, 0, 1, CLUSTER, 2 * CLUSTER, 1, 0, 0
    )
    path.write_bytes(header.ljust(3 * CLUSTER, b"\0"))


@pytest.fixture(name="pe_vm")
def fixture_pe_vm(tmp_path):
    """A function that runs pe-vm with VMs of the test's own."""

    def pe_vm(command, *arguments):
        argv = [program("pe-vm"), command, "--run-dir", str(tmp_path / "vms"), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    yield pe_vm
    pe_vm("delete", "one")


@pytest.fixture(name="disk")
def fixture_disk(tmp_path):
    path = tmp_path / "disk"
    write_empty_qcow2(path)
    return f"{path},qcow2,readonly"


def test_a_vm_of_qemu_sees_the_content_of_a_qcow2_disk_and_not_its_file(pe_vm, disk):
    assert pe_vm("create", "--engine", "qemu+tcg", "--disk", disk, "one").returncode == 0
    booted = pe_vm("boot", "--wait", "600", "one")
    assert booted.returncode == 0, booted.stderr
    seen = pe_vm("exec", "--no-input", "one", "--", "sh", "-c", "cat /sys/block/vda/size; head -c 4 /dev/vda | od -c")
    assert seen.stdout.splitlines()[:2] == [str(SIZE // 512), "0000000  \\0  \\0  \\0  \\0"]


def test_an_engine_that_cannot_read_qcow2_refuses_such_a_disk(pe_vm, disk):
    assert pe_vm("create", "--engine", "uml", "--disk", disk, "one").returncode == 0
    refused = pe_vm("boot", "one")
    assert refused.returncode != 0 and "reads no qcow2 file" in refused.stderr


def make_ext2(path):
    """A raw file with an empty file system."""
    path.write_bytes(b"")
    os.truncate(path, SIZE)
    subprocess.run(["mkfs.ext2", "-q", "-F", str(path)], check=True)


def file_in_ext2(path, name):
    """The content of a file, read on the host without mounting."""
    return subprocess.run(["debugfs", "-R", f"cat {name}", str(path)], capture_output=True, check=True).stdout


def test_a_vm_of_user_mode_linux_writes_files_to_a_raw_disk(pe_vm, tmp_path):
    path = tmp_path / "raw"
    make_ext2(path)
    assert pe_vm("create", "--engine", "uml", "--disk", str(path), "one").returncode == 0
    booted = pe_vm("boot", "--wait", "60", "one")
    assert booted.returncode == 0, booted.stderr
    script = "mkdir /mnt/disk && mount -t ext2 /dev/ubda /mnt/disk && echo kept >/mnt/disk/file && umount /mnt/disk"
    written = pe_vm("exec", "--no-input", "one", "--", "sh", "-c", script)
    assert written.returncode == 0, written.stderr
    assert pe_vm("shutdown", "one").returncode == 0
    assert file_in_ext2(path, "/file") == b"kept\n"
