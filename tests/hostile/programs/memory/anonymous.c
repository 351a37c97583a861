/* SPDX-License-Identifier: Apache-2.0 */
/* Memory without end.
 *
 * engines: each
 * result: oom
 * stdout: start
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    say("start");
    while (use_memory(8 * MIB))
        ;
    return 9;
}
