/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

/* What a wrong pointer does. */
int main(void)
{
    return raise(SIGSEGV);
}
