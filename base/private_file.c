/* SPDX-License-Identifier: Apache-2.0 */
/* Reading with a check of mode and owner, and replacing with rename(2). What is in the files is not known
 * here. */
#include "base/private_file.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_access(const struct stat *info, const char *path, struct pe_error *err)
{
    if (!S_ISREG(info->st_mode))
        return pe_fail(err, PE_ERR_INVALID, "%s is not a regular file", path);
    if (info->st_uid != geteuid() && info->st_uid != 0)
        return pe_fail(err, PE_ERR_INVALID,
                       "%s belongs to another user (uid %u), who can change it; run: chown root %s", path,
                       (unsigned)info->st_uid, path);
    if (info->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))
        return pe_fail(err, PE_ERR_INVALID,
                       "others may read or change %s, which holds secrets (mode %04o); run: chmod 640 %s",
                       path, (unsigned)info->st_mode & 07777, path);
    return 0;
}

int pe_private_file_check(int fd, const char *path, struct pe_error *err)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot look at %s", path);
    return check_access(&info, path, err);
}

/* Open a file that no stranger can read or change. */
static int open_checked(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no file %s", path);
    if (fd < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    return pe_private_file_check(fd, path, err) < 0 ? -1 : pe_steal_fd(&fd);
}

int pe_private_file_check_path(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open_checked(path, err);
    return fd < 0 ? -1 : 0;
}

int pe_private_file_read(const char *path, size_t limit, struct pe_buf *out, struct pe_error *err)
{
    pe_autoclose int fd = open_checked(path, err);
    return fd < 0 ? -1 : pe_read_all(fd, limit, out, path, err);
}

/* Copy the folder of a file to `folder`. */
static int folder_of(const char *path, char folder[PATH_MAX], struct pe_error *err)
{
    const char *slash = strrchr(path, '/');
    int size = slash ? (int)(slash - path) : 0;
    int n = slash ? snprintf(folder, PATH_MAX, "%.*s/", size, path) : snprintf(folder, PATH_MAX, ".");
    return n < PATH_MAX ? 0 : pe_fail(err, PE_ERR_INVALID, "the path of %.60s... is too long", path);
}

static int open_folder(const char *path, struct pe_error *err)
{
    char folder[PATH_MAX];
    if (folder_of(path, folder, err) < 0)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open the folder %s", folder);
}

int pe_private_file_lock(const char *path, struct pe_error *err)
{
    pe_autoclose int folder = open_folder(path, err);
    if (folder < 0)
        return -1;
    while (flock(folder, LOCK_EX) < 0)
        if (errno != EINTR)
            return pe_fail_errno(err, "cannot lock the folder of %s", path);
    return pe_steal_fd(&folder);
}

/* Give a new file the owner and the mode of the old one, if there is one. */
static int copy_access(int fd, const char *old, struct pe_error *err)
{
    struct stat info;
    if (stat(old, &info) < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot look at %s", old);
    if (fchown(fd, info.st_uid, info.st_gid) < 0 || fchmod(fd, info.st_mode & 07777) < 0)
        return pe_fail_errno(err, "cannot keep the owner and the mode of %s", old);
    return 0;
}

static int write_new(const char *fresh, const char *path, const void *bytes, size_t size,
                     struct pe_error *err)
{
    pe_autoclose int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", fresh);
    if (copy_access(fd, path, err) < 0 || pe_write_all(fd, bytes, size, fresh, err) < 0)
        return -1;
    return fsync(fd) == 0 ? 0 : pe_fail_errno(err, "cannot write %s to its disk", fresh);
}

int pe_private_file_replace(const char *path, const void *bytes, size_t size, struct pe_error *err)
{
    char fresh[PATH_MAX], random[17];
    pe_autoclose int folder = open_folder(path, err);
    if (folder < 0)
        return -1;
    pe_random_hex(random, sizeof random / 2);
    if (snprintf(fresh, sizeof fresh, "%s.%s", path, random) >= (int)sizeof fresh)
        return pe_fail(err, PE_ERR_INVALID, "the path of %.60s... is too long", path);
    if (write_new(fresh, path, bytes, size, err) < 0) {
        unlink(fresh);
        return -1;
    }
    if (rename(fresh, path) < 0) {
        pe_fail_errno(err, "cannot replace %s", path);
        unlink(fresh);
        return -1;
    }
    return fsync(folder) == 0 ? 0 : pe_fail_errno(err, "cannot write the folder of %s to its disk", path);
}
