/* SPDX-License-Identifier: Apache-2.0 */
/* System calls through the other doors of x86: the numbers of x32, and interrupt 0x80 for those of i386,
 * where a filter for 64-bit calls does not look. A kernel without calls of i386 ends the child that makes
 * one.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/mount.h>

/* Arguments for interrupt 0x80 lie in the lowest 4 GiB. */
static char *low_page(void)
{
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (page == MAP_FAILED)
        give_up("mmap");
    return page;
}

static void call_x32(void)
{
    long mounted = syscall(0x40000000 + SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
    _exit(mounted >= 0);
}

static void call_i386(void)
{
    char *page = low_page();
    long result = 21; /* mount */
    memcpy(page, "tmpfs\0/tmp", 11);
    __asm__ volatile("int $0x80"
                     : "+a"(result)
                     : "b"(page), "c"(page + 6), "d"(page), "S"(0L), "D"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
}

static bool is_mounted(void)
{
    char line[512];
    FILE *mounts = fopen("/proc/self/mounts", "r");
    while (mounts && fgets(line, sizeof line, mounts))
        if (strstr(line, " /tmp "))
            return true;
    return false;
}

int main(void)
{
    in_child(call_x32);
    in_child(call_i386);
    must_fail("a mount", is_mounted() ? 0 : -1);
    return held();
}
