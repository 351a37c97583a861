/* SPDX-License-Identifier: Apache-2.0 */
/* Letting the C library be without memory for a moment when it opens a directory. */
#ifndef PE_TESTS_SHORT_MEMORY_H
#define PE_TESTS_SHORT_MEMORY_H

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

/* A test sets this, and clears it again. */
static bool is_memory_short;

/* In the place of libc's. */
DIR *fdopendir(int fd)
{
    DIR *(*real)(int) = (DIR * (*)(int)) dlsym(RTLD_NEXT, "fdopendir");
    if (!is_memory_short)
        return real(fd);
    errno = ENOMEM;
    return NULL;
}

#endif
