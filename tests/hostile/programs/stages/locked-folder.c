/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage removes its program and closes its folder for everybody. The second stage cannot start, and
 * the report says so.
 *
 * stages: remove run
 * result: exited 0
 * ends: exited exited
 * stdout:
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "remove") == 0) {
        unlink(argv[0]);
        return chmod("/work", 0) < 0;
    }
    say("it runs");
    return 0;
}
