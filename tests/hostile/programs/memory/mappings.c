/* SPDX-License-Identifier: Apache-2.0 */
/* As many mappings as possible, by changing the protection of every second page.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    const size_t pages = 1 << 18;
    char *block = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        give_up("mmap");
    size_t at = 0;
    while (at < pages && mprotect(block + at * PAGE, PAGE, PROT_READ) == 0)
        at += 2;
    say(at < pages ? "limited" : "not limited");
    return 0;
}
