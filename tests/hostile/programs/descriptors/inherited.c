/* SPDX-License-Identifier: Apache-2.0 */
/* What a program inherits: its three streams, and no other descriptor that could lead out of the container.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    struct stat st;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            breach("an open descriptor");
    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISBLK(st.st_mode))
            breach("a stream that is no pipe");
    return held();
}
