/* SPDX-License-Identifier: Apache-2.0 */
/* Restart, halt or turn off the machine, or start another kernel.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/reboot.h>

int main(void)
{
    static const unsigned commands[] = {RB_AUTOBOOT,    RB_HALT_SYSTEM, RB_POWER_OFF, RB_ENABLE_CAD,
                                        RB_DISABLE_CAD, RB_KEXEC,       RB_SW_SUSPEND};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        must_fail("reboot", reboot((int)commands[i]));
    must_fail("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
    must_fail("kexec_file_load", syscall(SYS_kexec_file_load, 0, -1, 0, "", 0));
    return held();
}
