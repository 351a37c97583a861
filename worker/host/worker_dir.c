/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and removing folders. What is in them is the business of those who use them. */
#include "worker/host/worker_dir.h"

#include "base/cleanup.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "worker-"

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    remove(path);
    return 0;
}

void worker_dir_remove(const char *path)
{
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *worker_dir_usual(char *path, size_t size)
{
    const char *session = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        snprintf(path, size, WORKER_DIR_HOST);
    else if (session && *session)
        snprintf(path, size, "%s/program-explorer", session);
    else
        snprintf(path, size, "/tmp/program-explorer-%u", (unsigned)geteuid());
    return path;
}

int worker_dir_ensure(const char *path, struct pe_error *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return pe_fail_errno(err, "cannot create the folder %s", part);
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot create the folder %s", path);
    return 0;
}

static void remove_stale(const char *base)
{
    pe_autodir DIR *list = opendir(base);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        char path[PATH_MAX];
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        pid_t owner = (pid_t)strtol(entry->d_name + strlen(PREFIX), NULL, 10);
        snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        if (owner <= 0 || owner == getpid() || (kill(owner, 0) < 0 && errno == ESRCH))
            worker_dir_remove(path);
    }
}

int worker_dir_make(const char *base, char *path, size_t size, struct pe_error *err)
{
    if (worker_dir_ensure(base, err) < 0)
        return -1;
    if (chmod(base, 0711) < 0)
        return pe_fail_errno(err, "cannot change the mode of %s", base);
    pe_autofree char *absolute = realpath(base, NULL);
    if (!absolute)
        return pe_fail_errno(err, "cannot find the folder %s", base);
    remove_stale(absolute);
    snprintf(path, size, "%s/" PREFIX "%d", absolute, (int)getpid());
    if (mkdir(path, 0711) < 0)
        return pe_fail_errno(err, "cannot create the folder %s", path);
    return 0;
}
