/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the program that runs as root for everybody: another user executes it and stays what it is.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/sendfile.h>
#include <sys/stat.h>

static void execute_as_user(void)
{
    if (setgid(1000) < 0 || setuid(1000) < 0)
        give_up("setuid");
    execl("/tmp/copy", "copy", "again", (char *)NULL);
    give_up("execl");
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return geteuid() == 0;
    int from = open("/proc/self/exe", O_RDONLY), to = open("/tmp/copy", O_CREAT | O_WRONLY, 0700);
    while (sendfile(to, from, NULL, MIB) > 0)
        ;
    close(to);
    if (chmod("/tmp/copy", 06755) < 0)
        give_up("chmod");
    if (in_child(execute_as_user) != 0)
        breach("became root");
    return held();
}
