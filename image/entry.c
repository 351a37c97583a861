/* The write side of the image store: begin, publish, remove, sweep. What is in an entry is image/import.c's.
 */
#include "image/entry.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/store.h"
#include "proto/job.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Names of unfinished entries and of entries on their way out. */
#define UNFINISHED_PREFIX ".new-"

static int join(char path[PATH_MAX], const char *directory, const char *name, struct pe_error *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return n > 0 && n < PATH_MAX ? 0
                                 : pe_fail(err, PE_ERR_TOO_LARGE, "path %s/%s is too long", directory, name);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static int remove_tree(const char *path, struct pe_error *err)
{
    if (nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return 0;
    return pe_fail_errno(err, "removing %s", path);
}

/* Held while entries appear, disappear or are swept, so that no writer sees another's half step. Released by
 * closing. -1 on failure. */
static int lock_store(const char *store, struct pe_error *err)
{
    char path[PATH_MAX];
    if (join(path, store, ".lock", err) < 0)
        return -1;
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return pe_fail_errno(err, "locking %s", path);
    return pe_steal_fd(&fd);
}

/* Whether the process that made an unfinished entry is gone: its lock went with it. */
static bool is_stale(const char *path)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int sweep(const char *store, struct pe_error *err)
{
    pe_autodir DIR *directory = opendir(store);
    if (!directory)
        return pe_fail_errno(err, "opening image store %s", store);
    const struct dirent *found;
    while ((found = readdir(directory))) {
        char path[PATH_MAX];
        if (strncmp(found->d_name, UNFINISHED_PREFIX, strlen(UNFINISHED_PREFIX)) != 0)
            continue;
        if (join(path, store, found->d_name, err) < 0 || (is_stale(path) && remove_tree(path, err) < 0))
            return -1;
    }
    return 0;
}

/* ---- beginning ---- */

static int make_unfinished(struct entry *entry, struct pe_error *err)
{
    if (join(entry->directory, entry->store, UNFINISHED_PREFIX "XXXXXX", err) < 0)
        return -1;
    if (!mkdtemp(entry->directory)) {
        pe_fail_errno(err, "making %s", entry->directory);
        entry->directory[0] = '\0';
        return -1;
    }
    entry->lock = open(entry->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* mkdtemp makes it private; an image is for every user that runs a worker. */
    if (entry->lock < 0 || flock(entry->lock, LOCK_EX | LOCK_NB) < 0 || fchmod(entry->lock, 0755) < 0)
        return pe_fail_errno(err, "locking %s", entry->directory);
    return join(entry->rootfs, entry->directory, "rootfs.squashfs", err);
}

int entry_begin(const char *store, struct entry *entry, struct pe_error *err)
{
    *entry = (struct entry){.store = store, .lock = -1};
    if (mkdir(store, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "making image store %s", store);
    pe_autoclose int lock = lock_store(store, err);
    if (lock < 0 || sweep(store, err) < 0)
        return -1;
    if (make_unfinished(entry, err) == 0)
        return 0;
    entry_abandon(entry);
    return -1;
}

void entry_abandon(struct entry *entry)
{
    struct pe_error ignored; /* what cannot be removed now is swept later */
    if (entry->directory[0])
        (void)!remove_tree(entry->directory, &ignored);
    pe_cleanup_close(&entry->lock);
    entry->lock = -1;
    entry->directory[0] = '\0';
}

/* ---- publishing ---- */

static int sync_path(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : pe_fail_errno(err, "syncing %s", path);
}

static int write_catalog(const struct entry *entry, const struct pe_image *image, struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autojson json_t *json = pe_image_to_json(image);
    pe_autofree char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INVALID, "the catalog entry of %s cannot be written as JSON", image->name);
    if (join(path, entry->directory, "image.json", err) < 0)
        return -1;
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return pe_fail_errno(err, "creating %s", path);
    if (pe_write_all(fd, text, strlen(text), path, err) < 0 || pe_write_all(fd, "\n", 1, path, err) < 0)
        return -1;
    return fsync(fd) == 0 ? 0 : pe_fail_errno(err, "syncing %s", path);
}

static const char *hex_of(const struct pe_image *image)
{
    return image->digest + strlen("sha256:");
}

/* Give the directory at `path` a hidden name first, so that no reader finds half an entry. */
static int remove_entry(const char *store, const char *path, struct pe_error *err)
{
    char hidden[PATH_MAX];
    if (join(hidden, store, UNFINISHED_PREFIX "XXXXXX", err) < 0)
        return -1;
    if (!mkdtemp(hidden) || rename(path, hidden) < 0)
        return pe_fail_errno(err, "removing %s", path);
    return remove_tree(hidden, err);
}

/* An entry of this digest that is there already: fine under the same name, which then gets the new catalog
 * entry. */
static int check_same_digest(const struct pe_store_images *images, const struct pe_image *image,
                             struct pe_error *err)
{
    for (size_t i = 0; i < images->count; i++)
        if (!strcmp(images->items[i].digest, image->digest) &&
            strcmp(images->items[i].name, image->name) != 0)
            return pe_fail(err, PE_ERR_INVALID,
                           "the store has the same root filesystem as %s: remove that first",
                           images->items[i].name);
    return 0;
}

/* Remove what else has the name: first seen when the new entry is already in its place. */
static int remove_others(const char *store, const struct pe_store_images *images,
                         const struct pe_image *image, struct pe_error *err)
{
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *other = &images->items[i];
        char path[PATH_MAX];
        if (strcmp(other->name, image->name) != 0 || !strcmp(other->digest, image->digest))
            continue;
        if (join(path, store, hex_of(other), err) < 0 || remove_entry(store, path, err) < 0)
            return -1;
    }
    return 0;
}

int entry_publish(struct entry *entry, const struct pe_image *image, struct pe_error *err)
{
    char path[PATH_MAX];
    if (sync_path(entry->rootfs, err) < 0 || write_catalog(entry, image, err) < 0 ||
        sync_path(entry->directory, err) < 0 || join(path, entry->store, hex_of(image), err) < 0)
        return -1;
    pe_autoclose int lock = lock_store(entry->store, err);
    pe_autostoreimages struct pe_store_images images = {0};
    if (lock < 0 || pe_store_list(entry->store, &images, err) < 0 ||
        check_same_digest(&images, image, err) < 0)
        return -1;
    if (access(path, F_OK) == 0) {
        /* The same bytes again: the old entry gets our hidden name, and ends with it. */
        if (renameat2(AT_FDCWD, entry->directory, AT_FDCWD, path, RENAME_EXCHANGE) < 0)
            return pe_fail_errno(err, "exchanging %s and %s", entry->directory, path);
        entry_abandon(entry);
    } else {
        if (rename(entry->directory, path) < 0)
            return pe_fail_errno(err, "renaming %s to %s", entry->directory, path);
        entry->directory[0] = '\0';
        entry_abandon(entry);
    }
    if (remove_others(entry->store, &images, image, err) < 0)
        return -1;
    return sync_path(entry->store, err);
}

int entry_remove(const char *store, const char *name, struct pe_error *err)
{
    char path[PATH_MAX];
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoclose int lock = access(store, F_OK) == 0 ? lock_store(store, err) : -1;
    if ((lock < 0 && access(store, F_OK) == 0) || pe_store_list(store, &images, err) < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, name, err);
    if (!image || join(path, store, hex_of(image), err) < 0)
        return -1;
    return remove_entry(store, path, err);
}
