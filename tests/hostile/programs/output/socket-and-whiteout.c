/* SPDX-License-Identifier: Apache-2.0 */
/* A socket, and the device 0:0, which everybody may make and which means a deleted file to overlayfs.
 *
 * result: exited 0
 * files: 1
 * dropped: 2
 */
#include "tests/hostile/attempt.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int main(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/output/socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        give_up("bind");
    if (mknod("/output/whiteout", S_IFCHR, 0) < 0)
        give_up("mknod");
    return close(open("/output/file", O_CREAT | O_WRONLY, 0600));
}
