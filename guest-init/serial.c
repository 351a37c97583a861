/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing lines on the serial port. guest-init/init.c handles the commands. */
#include "guest-init/serial.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

int serial_open_device(const char *device, struct pe_error *err)
{
    pe_autoclose int fd = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", device);
    struct termios raw;
    if (tcgetattr(fd, &raw) < 0)
        return pe_fail_errno(err, "cannot read the settings of %s", device);
    cfmakeraw(&raw);
    raw.c_cflag |= CLOCAL | CREAD;
    /* The UART raises its interrupt for a short message only after four idle character times, which
     * are 4 ms at the default of 9600 baud. Emulated ports do the same. */
    if (cfsetspeed(&raw, B115200) < 0)
        return pe_fail_errno(err, "cannot set the speed of %s", device);
    if (tcsetattr(fd, TCSANOW, &raw) < 0)
        return pe_fail_errno(err, "cannot switch %s to raw mode", device);
    return pe_steal_fd(&fd);
}

int serial_open(struct pe_error *err)
{
    return serial_open_device(GUEST_SERIAL_DEVICE, err);
}

int serial_send(int serial, const char *line, struct pe_error *err)
{
    char text[PE_ERROR_MESSAGE_MAX + 16];
    int length = snprintf(text, sizeof text, "%s\n", line);
    if (length < 0 || (size_t)length >= sizeof text)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the line for the serial port is too long");
    return pe_write_all(serial, text, (size_t)length, GUEST_SERIAL_DEVICE, err);
}

/* The longest sleep of a guest that waits. The counter behind its clock turns over (after 4.7 s if it is the
 * ACPI timer), and the kernel has to read it twice in a turn, or loses time: its clock stands still for
 * half a turn, and jobs seem to take no time at all. An idle kernel sleeps for almost half a turn, so
 * that a host that is only a little late makes it lose a turn. Each wake-up reads the counter. */
#define LONGEST_SLEEP_MS 1000

static void wait_for_byte(int serial)
{
    struct pollfd wait = {.fd = serial, .events = POLLIN};
    while (poll(&wait, 1, LONGEST_SLEEP_MS) == 0)
        ;
}

/* Read one line of at most `size` - 1 bytes, without its newline. It is read byte by byte, because
 * the port is in raw mode; lines are short. The host sends a line at once. */
static int read_line(int serial, char *line, size_t size, struct pe_error *err)
{
    for (size_t got = 0; got < size; got++) {
        ssize_t n = -1;
        if (got == 0)
            wait_for_byte(serial);
        while ((n = read(serial, line + got, 1)) < 0 && errno == EINTR)
            ;
        if (n <= 0)
            return pe_fail_errno(err, "cannot read " GUEST_SERIAL_DEVICE);
        if (line[got] == '\n') {
            line[got] = '\0';
            return 0;
        }
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the host sent a line that is too long");
}

int serial_receive(int serial, enum serial_command *command, struct pe_error *err)
{
    static const char *const names[] = {
        [SERIAL_WAKE] = "wake", [SERIAL_PREWARM] = "prewarm", [SERIAL_GO] = "go", [SERIAL_LIVE] = "live"};
    char line[16];
    if (read_line(serial, line, sizeof line, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(line, names[i])) {
            *command = (enum serial_command)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_MALFORMED,
                   "the host said something other than 'wake', 'prewarm', 'go' or 'live'");
}
