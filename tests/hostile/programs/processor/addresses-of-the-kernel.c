/* SPDX-License-Identifier: Apache-2.0 */
/* Read, write and prefetch memory of the kernel, directly and through system calls.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

static uint64_t address;

static void read_there(void)
{
    __asm__ volatile("mov (%0), %%rax; prefetcht0 (%0)" : : "r"(address) : "rax", "memory");
}

static void write_there(void)
{
    __asm__ volatile("movq $0, (%0)" : : "r"(address) : "memory");
}

int main(void)
{
    static const uint64_t places[] = {0xffffffff81000000, 0xffff888000000000, 0xfffffe0000000000,
                                      0xffffffffff5fc000, 0x0000800000000000};
    int fd = open("/dev/zero", O_RDONLY), file = open("/tmp/file", O_CREAT | O_RDWR, 0600);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        address = places[i];
        must_die("reading", read_there);
        must_die("writing", write_there);
        must_fail("read(2) into the kernel", syscall(SYS_read, fd, address, 64));
        must_fail("write(2) from the kernel", syscall(SYS_write, file, address, 64));
        must_fail("a mapping",
                  syscall(SYS_mmap, address, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == -1
                      ? -1
                      : 0);
        must_fail("unmapping", syscall(SYS_munmap, address, PAGE));
    }
    must_fail("a page at address 0",
              mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1
                                                                                                        : 0);
    return held();
}
