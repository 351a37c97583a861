/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are no text: NUL, escape sequences, half characters.
 *
 * result: exited 0
 * stdout bytes: 65536
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    unsigned char bytes[65536];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i % 2 ? i / 512 : i / 2);
    return write(STDOUT_FILENO, bytes, sizeof bytes) != (ssize_t)sizeof bytes;
}
