/* SPDX-License-Identifier: Apache-2.0 */
/* Replace /output, /work and /input by something else.
 *
 * result: exited 0
 * stdout: held
 * files: 1
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    static const char *const folders[] = {"/output", "/work", "/input"};
    for (int i = 0; i < 3; i++) {
        must_fail(folders[i], rename(folders[i], "/moved"));
        must_fail(folders[i], rmdir(folders[i]));
        must_fail(folders[i], symlink("/etc", folders[i]));
        must_fail(folders[i], syscall(SYS_renameat2, AT_FDCWD, folders[i], AT_FDCWD, "/tmp", 2));
    }
    must_not_open("/input/new", O_CREAT | O_WRONLY);
    close(open("/output/file", O_CREAT | O_WRONLY, 0600));
    return held();
}
