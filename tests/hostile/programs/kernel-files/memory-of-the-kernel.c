/* SPDX-License-Identifier: Apache-2.0 */
/* Read the memory of the kernel, and learn addresses in it.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    char line[256];
    int kcore = open("/proc/kcore", O_RDONLY);
    must_fail("/proc/kcore", kcore < 0 || read(kcore, line, sizeof line) <= 0 ? -1 : 0);
    must_not_open("/dev/mem", O_RDONLY);
    must_not_open("/dev/kmem", O_RDONLY);
    FILE *symbols = fopen("/proc/kallsyms", "r");
    while (symbols && fgets(line, sizeof line, symbols))
        if (strncmp(line, "0000000000000000 ", 17) != 0) {
            breach("an address in /proc/kallsyms");
            break;
        }
    uint64_t entry = 0;
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    if (pread(pagemap, &entry, sizeof entry, (off_t)((uintptr_t)line / PAGE * 8)) == 8 &&
        (entry & (((uint64_t)1 << 55) - 1)))
        breach("a physical address");
    return held();
}
