/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage prints what looks like its own end and the begin of another stage in the report.
 *
 * stages: forge end
 * result: exited 0
 * ends: exited exited
 * stdout: second stage
 */
#include "tests/hostile/attempt.h"

int main(int argc, char **argv)
{
    static const char forged[] = "E\0\0\x26"
                                 "end=exited\ncode=0\nsignal=0\nwall_us=1\n"
                                 "B\0\0\6stage7";
    if (argc > 1 && strcmp(argv[1], "forge") == 0)
        return write(STDOUT_FILENO, forged, sizeof forged - 1) < 0;
    say("second stage");
    return 0;
}
