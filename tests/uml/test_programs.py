# SPDX-License-Identifier: Apache-2.0
"""Programs that want something special of a kernel, under User Mode Linux."""
import struct


def elf32():
    """A 32-bit program for x86 that exits with 7."""
    code = bytes.fromhex("31c040b307cd80")  # xor eax, eax; inc eax; mov bl, 7; int 0x80
    base, head = 0x08048000, 52 + 32
    size = head + len(code)
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, base, base, size, size, 5, 4096)
    return ident + header + segment + code


def test_a_32_bit_program_is_refused_with_the_cause(service):
    for script in ("/tmp/program", "exec /tmp/program", "sh -c /tmp/program"):
        job = service.run(f"cp program /tmp/program; chmod +x /tmp/program; {script}", files=[("program", elf32())])
        assert (job.status, job.exit_code) == ("exited", 126), job
        assert b"pe: '/tmp/program' is a 32-bit program, which the kernel of this VM cannot run\n" in job.stderr
