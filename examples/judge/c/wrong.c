/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(void)
{
    long number = 0, sum = 0;
    while (scanf("%ld", &number) == 1)
        sum = number; /* the last one, not the sum */
    printf("%ld\n", sum);
    return 0;
}
