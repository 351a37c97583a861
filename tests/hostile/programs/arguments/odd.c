/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments with control characters, quotes, nothing, and characters from all over the world arrive
 * unchanged.
 *
 * arguments: ["", "a\nb", "\u0001", "'\"\\", "--", "$(reboot)", "\u00e9\ud83d\ude00", "%s%n"]
 * result: exited 0
 * stdout: []
 * stdout: [a
 * stdout: b]
 * stdout has: $(reboot)]
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("[%s]\n", argv[i]);
    return 0;
}
