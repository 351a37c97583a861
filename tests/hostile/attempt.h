/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of tests/hostile share: attempts that have to fail, and children in which they are made.
 * tests/hostile/catalog.py describes the comment at the beginning of each program. */
#ifndef TESTS_HOSTILE_ATTEMPT_H
#define TESTS_HOSTILE_ATTEMPT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define MIB (1024u * 1024u)

/* Print a line at once, so that it is not lost when the program is killed. */
static inline void say(const char *text)
{
    dprintf(STDOUT_FILENO, "%s\n", text);
}

/* The number of attempts that succeeded. */
static inline int *breaches(void)
{
    static int count;
    return &count;
}

/* Report something that must not be possible. */
static inline void breach(const char *what)
{
    ++*breaches();
    dprintf(STDOUT_FILENO, "BREACH: %s\n", what);
}

/* An attempt that has to fail: `result` is what the system call returned, negative if it failed. */
static inline void must_fail(const char *what, long result)
{
    if (result >= 0)
        breach(what);
    else
        dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
}

/* Opening a file has to fail. */
static inline void must_not_open(const char *path, int flags)
{
    must_fail(path, open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600));
}

/* Say whether all attempts failed. Returns the exit status of the program. */
static inline int held(void)
{
    say(*breaches() ? "broken" : "held");
    return *breaches() != 0;
}

/* End with a message: the program could not make its attempt. */
static inline void __attribute__((noreturn)) give_up(const char *what)
{
    dprintf(STDOUT_FILENO, "cannot attack: %s: %s\n", what, strerror(errno));
    _exit(99);
}

/* Run a function in a child process and return its wait status. The child exits with 0 if it returns. */
static inline int in_child(void (*run)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        run();
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child)
        give_up("waitpid");
    return status;
}

/* What a function does has to end its process by a signal. */
static inline void must_die(const char *what, void (*run)(void))
{
    int status = in_child(run);
    if (WIFSIGNALED(status))
        dprintf(STDERR_FILENO, "%s: signal %d\n", what, WTERMSIG(status));
    else
        breach(what);
}

/* Get memory and write to all of it; NULL if there is no more. */
static inline void *use_memory(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : memset(block, 0x5a, bytes);
}

#endif
