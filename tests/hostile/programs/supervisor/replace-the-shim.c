/* SPDX-License-Identifier: Apache-2.0 */
/* Write to pe-shim's program, through its name and through the links to running programs, or put another one
 * in its place.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(void)
{
    must_not_open("/dev/pe-shim", O_WRONLY);
    must_not_open("/proc/1/exe", O_WRONLY);
    must_fail("unlink", unlink("/dev/pe-shim"));
    must_fail("rename", rename("/dev/pe-shim", "/dev/old"));
    must_fail("rename over it", rename("/proc/self/cwd", "/dev/pe-shim"));
    must_fail("chmod", chmod("/dev/pe-shim", 0));
    return held();
}
