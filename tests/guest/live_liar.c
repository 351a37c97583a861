/* SPDX-License-Identifier: Apache-2.0 */
/* PID 1 of a User Mode Linux guest that was taken over. It says `ready` like any other. When its job comes,
 * it writes a header into the live device that cannot be true, rings the doorbell many times, and delivers an
 * output that is in order. */
#include "proto/limits.h"
#include "proto/live_ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <termios.h>
#include <unistd.h>

enum { RINGS = 3000 };

static int device;

static int read_blocks(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    (void)context, (void)err;
    return pread(device, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

static int write_blocks(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    (void)context, (void)err;
    return pwrite(device, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

static void lie(void)
{
    const struct pe_live_device live = {NULL, read_blocks, write_blocks};
    struct pe_live_end end;
    struct pe_error err;
    device = open("/dev/ubdd", O_RDWR | O_DIRECT);
    if (device < 0 || pe_live_open(&end, PE_LIVE_GUEST, &live, &err) < 0)
        abort();
    end.mine.produced = 1ull << 40;
    end.unpublished = true;
    if (pe_live_publish(&end, &err) < 0)
        abort();
}

static size_t add_entry(char *archive, const char *name, const char *text)
{
    size_t size =
        (size_t)sprintf(archive, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s", 1, 0100644,
                        0, 0, 1, 0, (unsigned)strlen(text), 0, 0, 0, 0, (unsigned)strlen(name) + 1, 0, name) +
        1;
    size = (size + 3) / 4 * 4;
    memcpy(archive + size, text, strlen(text));
    return (size + strlen(text) + 3) / 4 * 4;
}

static void deliver(void)
{
    char *archive = aligned_alloc(4096, 4096);
    int output = open("/dev/ubdc", O_WRONLY | O_DIRECT);
    if (!archive || output < 0)
        abort();
    memset(archive, 0, 4096);
    size_t size = add_entry(archive, "result", "status=exited\nexit_code=0\n");
    size += add_entry(archive + size, "stdout", "of a liar\n");
    size += add_entry(archive + size, "stderr", "");
    add_entry(archive + size, "TRAILER!!!", "");
    if (pwrite(output, archive, 4096, 0) != 4096)
        abort();
}

static void say(int serial, const char *line)
{
    if (write(serial, line, strlen(line)) != (ssize_t)strlen(line))
        abort();
}

static void await_go(int serial)
{
    char line[64];
    size_t size = 0;
    while (size < sizeof line && read(serial, line + size, 1) == 1) {
        if (line[size++] != '\n')
            continue;
        if (!strncmp(line, "go\n", size))
            return;
        size = 0;
    }
    abort();
}

int main(void)
{
    struct termios raw;
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0)
        abort();
    int serial = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
    if (serial < 0 || tcgetattr(serial, &raw) < 0)
        abort();
    cfmakeraw(&raw);
    if (tcsetattr(serial, TCSANOW, &raw) < 0)
        abort();
    say(serial, "ready\n");
    if (getenv("pe_probe"))
        for (;;)
            pause();
    await_go(serial);
    lie();
    for (int i = 0; i < RINGS; i++)
        say(serial, "live\n");
    deliver();
    say(serial, "done\n");
    for (;;)
        pause();
}
