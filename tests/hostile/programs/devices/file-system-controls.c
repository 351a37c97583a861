/* SPDX-License-Identifier: Apache-2.0 */
/* Freeze file systems, so that nobody can write to them, and make files that nobody can change or remove.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

int main(void)
{
    static const char *const folders[] = {"/", "/work", "/input", "/output", "/dev", "/proc"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int fd = open(folders[i], O_RDONLY | O_DIRECTORY);
        must_fail(folders[i], ioctl(fd, FIFREEZE, 0));
        must_fail(folders[i], ioctl(fd, FITHAW, 0));
    }
    int file = open("/output/file", O_CREAT | O_RDWR, 0600), flags = FS_IMMUTABLE_FL | FS_APPEND_FL;
    must_fail("an immutable file", ioctl(file, FS_IOC_SETFLAGS, &flags));
    return held();
}
