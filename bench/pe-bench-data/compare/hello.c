/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest job of pe-bench compare that compiles something. */
#include <stdio.h>

int main(void)
{
    puts("hello");
    return 0;
}
