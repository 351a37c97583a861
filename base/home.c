/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the parts of an installation. */
#include "base/home.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_HOME "/var/lib/program-explorer"

static int join(const char *directory, const char *name, char *path, size_t size, struct pe_error *err)
{
    int n = snprintf(path, size, "%s/%s", directory, name);
    return n >= 0 && (size_t)n < size
               ? 0
               : pe_fail(err, PE_ERR_TOO_LARGE, "path %s/%s is too long", directory, name);
}

/* The directory of the running program's file. */
static int own_directory(char *path, size_t size, struct pe_error *err)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n < 0)
        return pe_fail_errno(err, "cannot read /proc/self/exe");
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return 0;
}

static int holds(const char *directory, const char *name)
{
    char path[PATH_MAX];
    struct pe_error ignored;
    return join(directory, name, path, sizeof path, &ignored) == 0 && access(path, F_OK) == 0;
}

int pe_home_path(const char *below, char *path, size_t size, struct pe_error *err)
{
    const char *named = getenv("PE_HOME");
    if (named && *named)
        return join(named, below, path, size, err);
    char directory[PATH_MAX];
    if (own_directory(directory, sizeof directory, err) < 0)
        return -1;
    char *slash = strrchr(directory, '/');
    if (slash && slash != directory) {
        *slash = '\0';
        if (holds(directory, "guest") || holds(directory, "images"))
            return join(directory, below, path, size, err);
    }
    return join(SYSTEM_HOME, below, path, size, err);
}

int pe_home_program(const char *name, char *path, size_t size, struct pe_error *err)
{
    char directory[PATH_MAX];
    if (own_directory(directory, sizeof directory, err) < 0)
        return -1;
    if (holds(directory, name))
        return join(directory, name, path, size, err);
    char below[64];
    snprintf(below, sizeof below, "bin/%s", name);
    return pe_home_path(below, path, size, err);
}
