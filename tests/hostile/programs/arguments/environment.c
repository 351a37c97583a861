/* SPDX-License-Identifier: Apache-2.0 */
/* An environment that changes how programs are loaded and where they are found.
 *
 * job: {"env": {"LD_PRELOAD": "/work/program", "PATH": "", "IFS": "/", "ENV": "/x", "GCONV_PATH": "."}}
 * result: exited 0
 * stdout: as it was sent
 */
/* An environment that changes how programs are loaded and where they are found.
 *
 * job: {"env": {"LD_PRELOAD": "/work/program", "PATH": "", "IFS": "/", "ENV": "/work/program",
 * "LD_LIBRARY_PATH": ".", "MALLOC_PERTURB_": "1", "GCONV_PATH": ".", "TMPDIR": "/proc", "HOME": "", "_PE":
 * "\u00ff"}} result: exited 0 stdout: as it was sent
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    const char *preload = getenv("LD_PRELOAD"), *path = getenv("PATH");
    say(preload && path && !*path && !strcmp(preload, "/work/program") ? "as it was sent" : "changed");
    return 0;
}
