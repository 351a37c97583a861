/* SPDX-License-Identifier: Apache-2.0 */
/* End by a signal that makes a core file. None is written, and no helper is started for it.
 *
 * job: {"env": {"TMPDIR": "/output"}}
 * result: signaled 6
 * files: 0
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    if (chdir("/output") < 0)
        give_up("chdir");
    abort();
}
