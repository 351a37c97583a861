/* SPDX-License-Identifier: Apache-2.0 */
/* Lock memory, so that the kernel cannot take it away, and ask for huge pages.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    const size_t size = 64 * MIB;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *huge =
        mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    must_fail("locking 64 MiB", mlock(block, size));
    must_fail("a huge page", huge == MAP_FAILED ? -1 : 0);
    return held();
}
