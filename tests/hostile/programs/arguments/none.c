/* SPDX-License-Identifier: Apache-2.0 */
/* Execute programs without any argument, not even a name: the shell, and pe-shim.
 *
 * result: exited 0
 * stdout: end
 */
#include "tests/hostile/attempt.h"

static void execute_shell(void)
{
    char *const none[] = {NULL};
    execve("/bin/sh", none, none);
}

static void execute_shim(void)
{
    char *const none[] = {NULL};
    execve("/dev/pe-shim", none, none);
}

int main(void)
{
    in_child(execute_shell);
    in_child(execute_shim);
    say("end");
    return 0;
}
