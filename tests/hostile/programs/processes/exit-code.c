/* SPDX-License-Identifier: Apache-2.0 */
/* An exit code that does not fit into a byte.
 *
 * result: exited 255
 * stdout:
 */
#include <stdlib.h>

int main(void)
{
    exit(-1);
}
