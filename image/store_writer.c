/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the image store. store/store.c reads it. */
#include "image/store_writer.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "proto/json_dump.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Prefix of directories and files that are unfinished or about to be deleted. */
#define UNFINISHED_PREFIX ".new-"

static int join(char path[PATH_MAX], const char *directory, const char *name, struct pe_error *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return n > 0 && n < PATH_MAX
               ? 0
               : pe_fail(err, PE_ERR_TOO_LARGE, "the path %s/%s is too long", directory, name);
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
    return pe_fail_errno(err, "cannot remove %s", path);
}

/* Lock the store against other writers, so that none of them sees a change half done. Closing the
 * descriptor that is returned unlocks it. -1 on failure. */
static int lock_store(const char *store, struct pe_error *err)
{
    char path[PATH_MAX];
    if (join(path, store, ".lock", err) < 0)
        return -1;
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        return pe_fail_errno(err, "cannot lock %s", path);
    return pe_steal_fd(&fd);
}

/* True if the process that made an unfinished directory is dead, because its lock is gone. */
static bool is_stale(const char *path)
{
    /* Single files are never locked. They exist only while the store is locked, and this process
     * holds that lock. */
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int sweep(const char *store, const char *prefix, struct pe_error *err)
{
    pe_autodir DIR *directory = opendir(store);
    if (!directory)
        return pe_fail_errno(err, "cannot open the image store %s", store);
    const struct dirent *found;
    while ((found = readdir(directory))) {
        char path[PATH_MAX];
        if (strncmp(found->d_name, prefix, strlen(prefix)) != 0)
            continue;
        if (join(path, store, found->d_name, err) < 0 || (is_stale(path) && remove_tree(path, err) < 0))
            return -1;
    }
    return 0;
}

/* ---- beginning ---- */

static int make_unfinished(struct store_writer *writer, struct pe_error *err)
{
    if (join(writer->directory, writer->store, UNFINISHED_PREFIX "XXXXXX", err) < 0)
        return -1;
    if (!mkdtemp(writer->directory)) {
        pe_fail_errno(err, "cannot create %s", writer->directory);
        writer->directory[0] = '\0';
        return -1;
    }
    writer->lock = open(writer->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* mkdtemp(3) creates private directories, but workers of all users may read images. */
    if (writer->lock < 0 || flock(writer->lock, LOCK_EX | LOCK_NB) < 0 || fchmod(writer->lock, 0755) < 0)
        return pe_fail_errno(err, "cannot lock %s", writer->directory);
    return join(writer->spool, writer->directory, "spool", err) < 0
               ? -1
               : join(writer->rootfs, writer->directory, "rootfs.squashfs", err);
}

static int make_directory(const char *path, struct pe_error *err)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : pe_fail_errno(err, "cannot create %s", path);
}

int store_writer_begin(const char *store, struct store_writer *writer, struct pe_error *err)
{
    char names[PATH_MAX];
    *writer = (struct store_writer){.store = store, .lock = -1};
    if (join(names, store, "names", err) < 0 || make_directory(store, err) < 0 ||
        make_directory(names, err) < 0)
        return -1;
    pe_autoclose int lock = lock_store(store, err);
    if (lock < 0 || sweep(store, UNFINISHED_PREFIX, err) < 0)
        return -1;
    if (make_unfinished(writer, err) == 0)
        return 0;
    store_writer_abandon(writer);
    return -1;
}

void store_writer_abandon(struct store_writer *writer)
{
    struct pe_error ignored; /* what cannot be deleted now is deleted by a later writer */
    if (writer->directory[0])
        (void)!remove_tree(writer->directory, &ignored);
    pe_cleanup_close(&writer->lock);
    writer->lock = -1;
    writer->directory[0] = '\0';
}

/* ---- publishing ---- */

static int sync_path(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : pe_fail_errno(err, "cannot sync %s", path);
}

static const char *hex_of(const char *digest)
{
    return digest + strlen("sha256:");
}

static int replace_file(const char *store, const char *name, const char *text, struct pe_error *err)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    if (join(path, store, name, err) < 0 || join(hidden, store, UNFINISHED_PREFIX "file-XXXXXX", err) < 0)
        return -1;
    pe_autoclose int fd = mkostemp(hidden, O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", hidden);
    if (pe_write_all(fd, text, strlen(text), hidden, err) < 0 || pe_write_all(fd, "\n", 1, hidden, err) < 0)
        return -1;
    if (fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(hidden, path) < 0)
        return pe_fail_errno(err, "cannot write %s", path);
    return 0;
}

static int write_name(const char *store, const struct pe_image *image, struct pe_error *err)
{
    char path[PE_STORE_NAME_PATH_MAX];
    pe_autojson json_t *json = pe_image_to_json(image);
    pe_autofree char *text = pe_json_dump(json, JSON_INDENT(2));
    if (!text)
        return pe_fail(err, PE_ERR_INVALID, "cannot write the catalog entry of %s as JSON", image->name);
    const size_t size = strlen(text) + 1; /* with the line end */
    if (size > PE_STORE_ENTRY_BYTES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the catalog entry of %s has %zu bytes; at most %u are allowed",
                       image->name, size, PE_STORE_ENTRY_BYTES_MAX);
    pe_store_name_path(image->name, path);
    return replace_file(store, path, text, err);
}

static int write_index(const char *store, struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images images = {0};
    if (pe_store_list(store, &images, err) < 0)
        return -1;
    pe_autojson json_t *array = json_array();
    for (size_t i = 0; i < images.count; i++)
        if (json_array_append_new(array, pe_image_to_json(&images.items[i])) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory for index.json");
    pe_autofree char *text = pe_json_dump(array, JSON_COMPACT);
    return text ? replace_file(store, "index.json", text, err)
                : pe_fail(err, PE_ERR_INTERNAL, "out of memory for index.json");
}

/* Rename the directory to a hidden name before its files are deleted, so that no reader finds half
 * of it. */
static int remove_rootfs(const char *store, const char *digest, struct pe_error *err)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    if (join(path, store, hex_of(digest), err) < 0 ||
        join(hidden, store, UNFINISHED_PREFIX "XXXXXX", err) < 0)
        return -1;
    if (!mkdtemp(hidden))
        return pe_fail_errno(err, "cannot remove %s", path);
    if (rename(path, hidden) < 0 && errno != ENOENT)
        return pe_fail_errno(err, "cannot remove %s", path);
    return remove_tree(hidden, err);
}

static bool has_name(const struct pe_store_images *images, const char *digest)
{
    for (size_t i = 0; i < images->count; i++)
        if (!strcmp(images->items[i].digest, digest))
            return true;
    return false;
}

/* Delete rootfs files that had a name `before` and have none any more, and write index.json
 * again. */
static int finish_change(const char *store, const struct pe_store_images *before, struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images now = {0};
    char names[PATH_MAX];
    if (join(names, store, "names", err) < 0 || sync_path(names, err) < 0 ||
        pe_store_list(store, &now, err) < 0)
        return -1;
    for (size_t i = 0; i < before->count; i++)
        if (!has_name(&now, before->items[i].digest) &&
            remove_rootfs(store, before->items[i].digest, err) < 0)
            return -1;
    return write_index(store, err) < 0 ? -1 : sync_path(store, err);
}

/* Move the rootfs to its place, unless the store has the same bytes already. */
static int place_rootfs(struct store_writer *writer, const char *digest, struct pe_error *err)
{
    char path[PATH_MAX];
    if (join(path, writer->store, hex_of(digest), err) < 0)
        return -1;
    if (access(path, F_OK) == 0) {
        store_writer_abandon(writer);
        return 0;
    }
    if (rename(writer->directory, path) < 0)
        return pe_fail_errno(err, "cannot rename %s to %s", writer->directory, path);
    writer->directory[0] = '\0';
    store_writer_abandon(writer);
    return sync_path(writer->store, err);
}

/* Delete the temporary files. Only the rootfs belongs into the store. */
static int clear_spool(const struct store_writer *writer, struct pe_error *err)
{
    char path[PATH_MAX];
    return join(path, writer->directory, "spool", err) < 0 ? -1 : remove_tree(path, err);
}

int store_writer_publish(struct store_writer *writer, const struct pe_image *images, size_t count,
                         struct pe_error *err)
{
    if (clear_spool(writer, err) < 0 || sync_path(writer->rootfs, err) < 0 ||
        sync_path(writer->directory, err) < 0)
        return -1;
    pe_autoclose int lock = lock_store(writer->store, err);
    pe_autostoreimages struct pe_store_images before = {0};
    if (lock < 0 || pe_store_list(writer->store, &before, err) < 0 ||
        place_rootfs(writer, images[0].digest, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (write_name(writer->store, &images[i], err) < 0)
            return -1;
    return finish_change(writer->store, &before, err);
}

/* ---- names ---- */

/* Lock an existing store and list its images. Returns the lock, or -1 on failure. */
static int open_store(const char *store, struct pe_store_images *images, struct pe_error *err)
{
    struct pe_store_images probe = {0};
    if (access(store, F_OK) < 0)
        return pe_store_list(store, &probe, err); /* its message says what to do */
    pe_autoclose int lock = lock_store(store, err);
    return lock >= 0 && pe_store_list(store, images, err) == 0 ? pe_steal_fd(&lock) : -1;
}

int store_remove_name(const char *store, const char *reference, struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoclose int lock = open_store(store, &images, err);
    if (lock < 0)
        return -1;
    const struct pe_image *image = pe_store_find(&images, reference, err);
    char name[PE_STORE_NAME_PATH_MAX], path[PATH_MAX];
    if (!image)
        return -1;
    pe_store_name_path(image->name, name);
    if (join(path, store, name, err) < 0)
        return -1;
    if (unlink(path) < 0)
        return pe_fail_errno(err, "cannot remove %s", path);
    return finish_change(store, &images, err);
}

int store_add_name(const char *store, const struct pe_image *image, struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoclose int lock = open_store(store, &images, err);
    pe_autoclose int rootfs = lock >= 0 ? pe_store_open_rootfs(store, image, err) : -1;
    if (rootfs < 0 || write_name(store, image, err) < 0)
        return -1;
    return finish_change(store, &images, err);
}

int store_copy_name(const char *store, const char *reference, const char *name, struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoclose int lock = open_store(store, &images, err);
    const struct pe_image *image = lock >= 0 ? pe_store_find(&images, reference, err) : NULL;
    if (!image)
        return -1;
    pe_autojson json_t *json = pe_image_to_json(image);
    pe_autoimage struct pe_image named = {0};
    if (!json)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the catalog entry of %s", image->name);
    if (!pe_image_reference_valid(name) || !strchr(name, ':') || strchr(name, '@'))
        return pe_fail(err, PE_ERR_INVALID, "'%.200s' is not the name of an image, as NAME:TAG is", name);
    if (json_object_set_new(json, "name", json_string(name)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the catalog entry of %s", name);
    if (pe_image_from_json(json, &named, err) < 0 || write_name(store, &named, err) < 0)
        return -1;
    return finish_change(store, &images, err);
}

/* ---- garbage collection ---- */

static int rootfs_bytes(const char *store, const char *hex, uint64_t *bytes, struct pe_error *err)
{
    char path[PATH_MAX];
    struct stat info;
    int n = snprintf(path, sizeof path, "%s/%s/rootfs.squashfs", store, hex);
    if (n < 0 || (size_t)n >= sizeof path)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long", store);
    *bytes += stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    return 0;
}

int store_collect_garbage(const char *store, uint64_t *removed, uint64_t *bytes, struct pe_error *err)
{
    *removed = *bytes = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    pe_autoclose int lock = open_store(store, &images, err);
    if (lock < 0 || sweep(store, UNFINISHED_PREFIX, err) < 0 || sweep(store, STORE_PART_PREFIX, err) < 0)
        return -1;
    pe_autodir DIR *directory = opendir(store);
    if (!directory)
        return pe_fail_errno(err, "cannot open the image store %s", store);
    const struct dirent *found;
    while ((found = readdir(directory))) {
        char digest[sizeof found->d_name + 8];
        snprintf(digest, sizeof digest, "sha256:%s", found->d_name);
        if (!pe_sha256_digest_valid(digest) || has_name(&images, digest))
            continue;
        if (rootfs_bytes(store, found->d_name, bytes, err) < 0 || remove_rootfs(store, digest, err) < 0)
            return -1;
        ++*removed;
    }
    return write_index(store, err);
}
