/* SPDX-License-Identifier: Apache-2.0 */
/* Push input into a terminal, take one over, and use controls of the console.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/tiocl.h>
#include <linux/vt.h>
#include <sys/ioctl.h>

int main(void)
{
    char byte = 'x', paste = TIOCL_PASTESEL;
    must_not_open("/dev/tty", O_RDWR);
    must_not_open("/dev/pts/0", O_RDWR);
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    for (int fd = 0; fd < 3; fd++) {
        must_fail("TIOCSTI", ioctl(fd, TIOCSTI, &byte));
        must_fail("TIOCSCTTY", ioctl(fd, TIOCSCTTY, 1));
        must_fail("TIOCCONS", ioctl(fd, TIOCCONS, 0));
    }
    must_fail("TIOCCONS", ioctl(master, TIOCCONS, 0));
    must_fail("TIOCLINUX", ioctl(master, TIOCLINUX, &paste));
    must_fail("VT_ACTIVATE", ioctl(master, VT_ACTIVATE, 1));
    must_fail("vhangup", syscall(SYS_vhangup));
    return held();
}
