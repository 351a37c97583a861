/* SPDX-License-Identifier: Apache-2.0 */
/* One page in every 2 MiB of the address space: the tables of pages take as much memory as the pages.
 *
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    const size_t size = (size_t)1 << 40;
    char *block =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        give_up("mmap");
    say("start");
    for (size_t at = 0; at < size; at += 2 * MIB)
        block[at] = 1;
    return 9;
}
