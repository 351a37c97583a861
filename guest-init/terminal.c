/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a pseudo-terminal inside the container, and its ioctls. Who reads and writes it is in
 * guest-init/live.c and guest-init/capture.c. */
#include "guest-init/terminal.h"

#include "base/cleanup.h"
#include "guest-init/job_mounts.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* In the container. No program of the user has run yet, and crun has mounted /dev/pts. */
static int open_both(void *context, struct pe_error *err)
{
    struct terminal *terminal = context;
    int locked = 0;
    terminal->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (terminal->master < 0 || ioctl(terminal->master, TIOCSPTLCK, &locked) < 0)
        return pe_fail_errno(err, "cannot open a terminal in the container");
    terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return terminal->slave < 0 ? pe_fail_errno(err, "cannot open the program's end of a terminal") : 0;
}

int terminal_open(struct terminal *terminal, int pidfd, uid_t owner, struct pe_error *err)
{
    *terminal = TERMINAL_NONE;
    if (job_mounts_inside(pidfd, open_both, terminal, err) < 0)
        return -1;
    return fchown(terminal->slave, owner, (gid_t)-1) == 0
               ? 0
               : pe_fail_errno(err, "cannot give a terminal to user %u", (unsigned)owner);
}

void terminal_resize(const struct terminal *terminal, unsigned rows, unsigned cols)
{
    const struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    (void)ioctl(terminal->master, TIOCSWINSZ, &size);
}

pid_t terminal_foreground(const struct terminal *terminal)
{
    pid_t group = 0;
    return ioctl(terminal->master, TIOCGPGRP, &group) == 0 && group > 0 ? group : 0;
}

char terminal_end_of_input(const struct terminal *terminal, bool *in_lines)
{
    struct termios settings;
    const bool known = tcgetattr(terminal->master, &settings) == 0;
    *in_lines = known && (settings.c_lflag & ICANON);
    return *in_lines ? (char)settings.c_cc[VEOF] : 4; /* Ctrl-D */
}

void terminal_close(struct terminal *terminal)
{
    pe_cleanup_close(&terminal->master);
    pe_cleanup_close(&terminal->slave);
    *terminal = TERMINAL_NONE;
}
