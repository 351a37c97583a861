/* SPDX-License-Identifier: Apache-2.0 */
/* Ask for the right to use the ports of devices.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/io.h>

int main(void)
{
    must_fail("iopl", iopl(3));
    must_fail("ioperm", ioperm(0x60, 8, 1));
    must_fail("ioperm", ioperm(0xcf8, 8, 1));
    return held();
}
