/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, locking and removing private directories. The parent may be /tmp, where other users
 * create names, too. Only directories of this user are touched, and no symbolic link is
 * followed. */
#include "cli/private_dir.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define MAKE_ATTEMPTS 16
/* A directory has no lock file between mkdtemp(3) and the creation of the lock. After this many
 * seconds its creator must be dead. */
#define UNLOCKED_AGE_S 60

static const char *parent_directory(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct stat info;
    bool usable = runtime && runtime[0] == '/' && strlen(runtime) < PRIVATE_DIR_MAX - 32 &&
                  stat(runtime, &info) == 0 && S_ISDIR(info.st_mode) && access(runtime, W_OK) == 0;
    return usable ? runtime : "/tmp";
}

static void name_prefix(char *prefix, size_t size)
{
    snprintf(prefix, size, "pe-run-%u-", (unsigned)geteuid());
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- sweeping ---- */

static bool is_stale(int parent, const char *name)
{
    struct stat info;
    pe_autoclose int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0 || fstat(directory, &info) < 0 || info.st_uid != geteuid())
        return false;
    pe_autoclose int lock = openat(directory, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock < 0)
        return errno == ENOENT && time(NULL) - info.st_mtime > UNLOCKED_AGE_S;
    return flock(lock, LOCK_EX | LOCK_NB) == 0;
}

static void sweep(const char *parent)
{
    char prefix[32];
    name_prefix(prefix, sizeof prefix);
    pe_autodir DIR *directory = opendir(parent);
    if (!directory)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !is_stale(dirfd(directory), entry->d_name))
            continue;
        pe_autofree char *path = NULL;
        if (asprintf(&path, "%s/%s", parent, entry->d_name) < 0)
            path = NULL;
        else
            remove_tree(path);
    }
}

/* ---- creating ---- */

/* Lock the directory. Returns 1, or 0 when another run removed the directory before it was
 * locked. */
static int acquire_lock(struct private_dir *directory, struct pe_error *err)
{
    char path[PRIVATE_DIR_MAX + 8];
    struct stat info;
    snprintf(path, sizeof path, "%s/lock", directory->path);
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot create %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : pe_fail_errno(err, "cannot lock %s", path);
    if (fstat(fd, &info) < 0 || info.st_nlink == 0)
        return 0;
    directory->lock = pe_steal_fd(&fd);
    return 1;
}

int private_dir_make(struct private_dir *directory, struct pe_error *err)
{
    char prefix[32];
    const char *parent = parent_directory();
    *directory = (struct private_dir){.lock = -1};
    name_prefix(prefix, sizeof prefix);
    sweep(parent);
    for (int attempt = 0; attempt < MAKE_ATTEMPTS; attempt++) {
        snprintf(directory->path, sizeof directory->path, "%s/%sXXXXXX", parent, prefix);
        if (!mkdtemp(directory->path)) {
            directory->path[0] = '\0';
            return pe_fail_errno(err, "cannot create a directory in %s", parent);
        }
        int locked = acquire_lock(directory, err);
        if (locked > 0)
            return 0;
        private_dir_remove(directory);
        if (locked < 0)
            return -1;
    }
    return pe_fail(err, PE_ERR_INTERNAL, "another program keeps removing new directories in %s", parent);
}

void private_dir_remove(struct private_dir *directory)
{
    if (directory->path[0])
        remove_tree(directory->path);
    directory->path[0] = '\0';
    if (directory->lock >= 0)
        close(directory->lock);
    directory->lock = -1;
}
