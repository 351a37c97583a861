/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

int main(void)
{
    for (;;) {
        volatile char *block = malloc(65536);
        for (int at = 0; at < 65536; at += 4096)
            block[at] = 1;
    }
}
