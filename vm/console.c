/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the console of a VM. */
#include "vm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 168

static void name_old(const struct console *console, char old[PATH_SIZE])
{
    snprintf(old, PATH_SIZE, "%s" CONSOLE_OLD, console->path);
}

static int begin_file(struct console *console, struct pe_error *err)
{
    console->file =
        open(console->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    console->size = 0;
    return console->file >= 0 ? 0 : pe_fail_errno(err, "cannot create %s", console->path);
}

int console_open(struct console *console, int port, const char *path, struct pe_error *err)
{
    char old[PATH_SIZE];
    struct stat status;
    *console = (struct console){.port = port, .file = -1};
    snprintf(console->path, sizeof console->path, "%s", path);
    console->is_file = fstat(port, &status) == 0 && S_ISREG(status.st_mode);
    name_old(console, old);
    unlink(old);
    return begin_file(console, err);
}

void console_close(struct console *console)
{
    if (console->file >= 0)
        close(console->file);
    console->file = console->port = -1;
}

/* What cannot be written because the disk is full is lost; the VM goes on. */
static void keep(struct console *console, const char *bytes, size_t size)
{
    char old[PATH_SIZE];
    struct pe_error ignored;
    if (console->file < 0)
        return;
    (void)!write(console->file, bytes, size);
    console->size += (off_t)size;
    if (console->size < CONSOLE_BYTES_MAX)
        return;
    name_old(console, old);
    close(console->file);
    console->file = -1;
    if (rename(console->path, old) == 0)
        (void)!begin_file(console, &ignored);
}

ssize_t console_read(struct console *console, char *bytes, size_t size)
{
    const ssize_t n = read(console->port, bytes, size);
    if (n > 0)
        keep(console, bytes, (size_t)n);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return n == 0 && !console->is_file ? -1 : n;
}
