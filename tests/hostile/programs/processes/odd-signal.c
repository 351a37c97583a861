/* SPDX-License-Identifier: Apache-2.0 */
/* End by the last real-time signal, which has no name.
 *
 * result: signaled 64
 * stdout:
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    raise(64);
    return 0;
}
