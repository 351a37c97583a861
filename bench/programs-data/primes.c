/* SPDX-License-Identifier: Apache-2.0 */
/* Counts primes, for bench/programs: the compilers of C. */
#include <stdio.h>

enum { LIMIT = 2000000 };
static char composite[LIMIT];

int main(void)
{
    int primes = 0;
    for (int i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        primes++;
        for (long j = (long)i * i; j < LIMIT; j += i)
            composite[j] = 1;
    }
    printf("%d primes below %d\n", primes, LIMIT);
    return 0;
}
