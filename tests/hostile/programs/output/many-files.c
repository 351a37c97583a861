/* SPDX-License-Identifier: Apache-2.0 */
/* More output files than a result may have.
 *
 * result: output_limit 0
 * files: 4096
 * dropped: 3904
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    char name[32];
    for (int i = 0; i < 8000; i++) {
        snprintf(name, sizeof name, "/output/%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0600));
    }
    return 0;
}
