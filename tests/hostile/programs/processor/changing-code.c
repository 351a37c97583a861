/* SPDX-License-Identifier: Apache-2.0 */
/* Code that changes itself, and code that one process changes while another one executes it.
 *
 * result: exited 0
 * stdout: 300000
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    /* mov $0, %eax; ret */
    static const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0xc3};
    unsigned char *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        give_up("mmap");
    memcpy(page, code, sizeof code);
    int (*run)(void) = NULL;
    memcpy(&run, &page, sizeof run);
    long sum = 0;
    for (int i = 0; i < 100000; i++) {
        page[1] = (unsigned char)(i % 7);
        sum += run() == i % 7 ? 3 : 0;
    }
    printf("%ld\n", sum);
    return 0;
}
