/* SPDX-License-Identifier: Apache-2.0 */
/* Change the name of the machine.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    must_fail("sethostname", sethostname("other", 5));
    must_fail("setdomainname", setdomainname("other", 5));
    return held();
}
