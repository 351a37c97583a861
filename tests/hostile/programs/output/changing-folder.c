/* SPDX-License-Identifier: Apache-2.0 */
/* A process goes on changing the output while the program ends: files, links and folders take each other's
 * place. When the output is read, no process is left.
 *
 * result: exited 0
 * stdout: the program ends
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

static void __attribute__((noreturn)) change(void)
{
    for (;;) {
        mkdir("/output/x", 0700);
        close(open("/output/x/file", O_CREAT | O_WRONLY, 0600));
        unlink("/output/x/file");
        rmdir("/output/x");
        if (symlink("/proc/1/root", "/output/x") == 0)
            unlink("/output/x");
        close(open("/output/x", O_CREAT | O_WRONLY, 0600));
        if (truncate("/output/x", 1 << 20) == 0)
            chmod("/output/x", 0777);
        unlink("/output/x");
    }
}

int main(void)
{
    for (int i = 0; i < 4; i++)
        if (fork() == 0)
            change();
    usleep(300000);
    say("the program ends");
    return 0;
}
