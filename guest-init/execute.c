/* SPDX-License-Identifier: Apache-2.0 */
/* execve(2) says "No such file or directory" also if the program exists, but not what runs it. */
#include "guest-init/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* UTF-8 */

enum { EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127, FIRST_LINE_MAX = 256 };

/* Read the first bytes of a file as a text. An empty text if it cannot be read. */
static void read_start(const char *path, char text[FIRST_LINE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? -1 : read(fd, text, FIRST_LINE_MAX - 1);
    text[size > 0 ? size : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Explain that the kernel does not find what the first line of a script names. */
static void explain_script(const char *program, char *line)
{
    char *interpreter = line + 2 + strspn(line + 2, " \t");
    interpreter[strcspn(interpreter, " \t\n")] = '\0';
    size_t length = strlen(interpreter);
    if (length && interpreter[length - 1] == '\r')
        dprintf(STDERR_FILENO,
                "pe: cannot run '%s': its first line ends with CR LF, as on Windows, so the kernel looks "
                "for an interpreter '%.*s\\r'; save the file with LF\n",
                program, (int)length - 1, interpreter);
    else
        dprintf(STDERR_FILENO, "pe: cannot run '%s': its interpreter '%s' does not exist\n", program,
                interpreter);
}

/* Of the files that were sent, only those may be executed that begin with "#!" or are ELF files. */
static void explain_mark(const char *program)
{
    dprintf(STDERR_FILENO,
            "pe: cannot run '%s': a byte order mark is in front of its '#!', so it is no script; save the "
            "file as UTF-8 without one\n",
            program);
}

static void explain(const char *program, int cause)
{
    char start[FIRST_LINE_MAX] = "";
    if ((cause == ENOENT || cause == EACCES) && strchr(program, '/'))
        read_start(program, start);
    if (!strncmp(start, BYTE_ORDER_MARK "#!", 5))
        explain_mark(program);
    else if (cause == ENOENT && !strncmp(start, "#!", 2))
        explain_script(program, start);
    else if (cause == ENOENT && !strncmp(start, "\177ELF", 4))
        dprintf(STDERR_FILENO, "pe: cannot run '%s': the dynamic loader that it needs does not exist\n",
                program);
    else
        dprintf(STDERR_FILENO, "pe: cannot run '%s': %s\n", program, strerror(cause));
}

void execute(char *const *arguments)
{
    execvp(arguments[0], arguments);
    int cause = errno;
    explain(arguments[0], cause);
    _exit(cause == ENOENT || cause == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE);
}
