/* SPDX-License-Identifier: Apache-2.0 */
/* Execute with more and longer arguments each time, until there is no space for them.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    enum { COUNT = 10000 };
    static char *arguments[COUNT + 1];
    static char text[128 * 1024];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < COUNT; i++)
        arguments[i] = text;
    execv("/bin/true", arguments);
    say(errno == E2BIG ? "limited" : strerror(errno));
    text[1000] = 0;
    execv("/nosuch", arguments);
    return 0;
}
