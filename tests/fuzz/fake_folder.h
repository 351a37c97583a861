/* SPDX-License-Identifier: Apache-2.0 */
/* A folder in memory for code that reads its input from files. Everything is static; the folder is
 * removed when the fuzzer ends. */
#ifndef PE_FUZZ_FAKE_FOLDER_H
#define PE_FUZZ_FAKE_FOLDER_H

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

static char fake_folder[64];

/* For nftw(3): remove everything but the folder itself. */
static int fake_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind;
    return walk->level ? remove(path) : 0;
}

/* Remove everything in the folder. */
static inline void fake_folder_empty(void)
{
    HOLDS(nftw(fake_folder, fake_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* At the end: remove the folder. */
static void fake_folder_end(void)
{
    fake_folder_empty();
    rmdir(fake_folder);
}

/* Make the folder, unless it has been made already. */
static inline void fake_folder_begin(void)
{
    if (fake_folder[0])
        return;
    snprintf(fake_folder, sizeof fake_folder, "/dev/shm/pe-fuzz-%d", (int)getpid());
    HOLDS(mkdir(fake_folder, 0700) == 0);
    atexit(fake_folder_end);
}

/* Write a file; `name` is relative to the folder. */
static inline void fake_folder_write(const char *name, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fake_folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDS(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

#endif
