/* SPDX-License-Identifier: Apache-2.0 */
/* fork and exec of programs of the host, and their error messages. */
#include "vm/run_program.h"

#include "base/child.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_EXECUTED 127

static void become(const char *const *argv, int output) __attribute__((noreturn));
static void become(const char *const *argv, int output)
{
    const int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0)
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(NOT_EXECUTED);
}

/* Read to the end, keep the beginning, and cut it after its last line. */
static void read_message(int fd, char *text, size_t size)
{
    char rest[256];
    size_t got = 0;
    for (ssize_t n;;) {
        n = got + 1 < size ? read(fd, text + got, size - 1 - got) : read(fd, rest, sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += got + 1 < size ? (size_t)n : 0;
    }
    while (got && (text[got - 1] == '\n' || text[got - 1] == ' '))
        got--;
    text[got] = '\0';
}

int run_program(const char *const *argv, struct pe_error *err)
{
    int ends[2];
    char text[512];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe for %s", argv[0]);
    const pid_t pid = fork();
    if (pid == 0)
        become(argv, ends[1]);
    close(ends[1]);
    pe_autoclose int output = ends[0];
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork %s", argv[0]);
    read_message(output, text, sizeof text);
    const int status = pe_child_await(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_EXECUTED && !text[0])
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no program %s; install the package that has it",
                       argv[0]);
    return pe_fail(err, PE_ERR_INTERNAL, "%s failed: %s", argv[0], text);
}
