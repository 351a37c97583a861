/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that stands for a host: it has the files in /proc, /sys and /dev that a test writes. */
#ifndef PE_TESTS_FAKE_HOST_H
#define PE_TESTS_FAKE_HOST_H

#include "base/cleanup.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/pe-test-host-XXXXXX";

/* Make the folder `top`. */
static int set_up(void **state)
{
    (void)state;
    memset(top + sizeof top - 7, 'X', 6);
    return mkdtemp(top) ? 0 : -1;
}

/* Remove one file of it. */
static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

/* Remove it. */
static int tear_down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Write a file of the host, with the folders above it. */
static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", top, name);
    for (char *slash = strchr(path + sizeof top, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

#endif
