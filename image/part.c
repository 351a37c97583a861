/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an image that is fetched: opening, continuing and checking it. */
#include "image/part.h"

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "image/store_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS_MAX 3u /* one after the other that bring nothing */

struct part {
    const char *url;
    const struct pe_image *image;
    const struct download_route *route;
    struct progress *progress;
    char path[PATH_MAX];
    int fd; /* locked, so that only one process continues it */
    uint64_t bytes;
};

static int open_part(struct part *part, struct pe_error *err)
{
    struct stat file;
    part->fd = open(part->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (part->fd < 0)
        return pe_fail_errno(err, "cannot create %s", part->path);
    if (flock(part->fd, LOCK_EX | LOCK_NB) < 0)
        return pe_fail(err, PE_ERR_BUSY, "another process is fetching %s into this store", part->image->name);
    if (fstat(part->fd, &file) < 0)
        return pe_fail_errno(err, "cannot use %s", part->path);
    part->bytes = (uint64_t)file.st_size;
    if (part->bytes <= part->image->rootfs_bytes)
        return 0;
    part->bytes = 0;
    return ftruncate(part->fd, 0) == 0 ? 0 : pe_fail_errno(err, "cannot empty %s", part->path);
}

/* Fetch the rest. `*keep`: the part is still of use after a failure. */
static int complete(struct part *part, bool *keep, struct pe_error *err)
{
    struct download download = {.route = part->route,
                                .fd = part->fd,
                                .bytes = part->bytes,
                                .bytes_max = part->image->rootfs_bytes,
                                .progress = part->progress};
    for (unsigned failures = 0; download.bytes < download.bytes_max;) {
        const uint64_t before = download.bytes;
        if (download_url(part->url, &download, err) == 0)
            break;
        failures = download.bytes > before ? 1 : failures + 1;
        *keep = download.may_continue;
        if (!*keep)
            return -1;
        if (failures == ATTEMPTS_MAX)
            return pe_fail_context(
                err, "%.1f of %.1f MiB of %s are kept, and the same command continues there",
                (double)download.bytes / 1048576, (double)download.bytes_max / 1048576, part->image->name);
        progress_report(part->progress, "%s; trying again", err->message);
        sleep(failures);
    }
    part->bytes = download.bytes;
    return 0;
}

/* Returns whether the part has the digest of its image, -1 on failure. */
static int check(const struct part *part, struct pe_error *err)
{
    char digest[PE_SHA256_DIGEST_SIZE];
    if (pe_sha256_file_digest(part->path, digest, err) < 0)
        return -1;
    if (strcmp(digest, part->image->digest) == 0)
        return 1;
    pe_fail(err, PE_ERR_INVALID,
            "%s has the digest %s instead of %s; fetch it again, or run `pe-image verify` on the other host",
            part->url, digest, part->image->digest);
    return 0;
}

/* A part that is wrong may have been so before: the rest was right, but not what it was added to. */
static int complete_and_check(struct part *part, bool *keep, struct pe_error *err)
{
    for (bool was_begun = part->bytes > 0;; was_begun = false) {
        if (complete(part, keep, err) < 0)
            return -1;
        const int is_right = check(part, err);
        if (is_right)
            return is_right > 0 ? 0 : -1;
        *keep = false;
        if (!was_begun)
            return -1;
        progress_report(part->progress, "%s: what was fetched before is damaged; beginning again",
                        part->image->name);
        if (ftruncate(part->fd, 0) < 0)
            return pe_fail_errno(err, "cannot empty %s", part->path);
        part->bytes = 0;
        progress_begin(part->progress, "fetching", part->image->rootfs_bytes);
    }
}

int part_fetch(const char *store, const char *url, const struct pe_image *image,
               const struct download_route *route, struct progress *progress, const char *target,
               struct pe_error *err)
{
    struct part part = {.url = url, .image = image, .route = route, .progress = progress, .fd = -1};
    bool keep = true;
    snprintf(part.path, sizeof part.path, "%s/" STORE_PART_PREFIX "%s", store,
             image->digest + strlen(PE_SHA256_PREFIX));
    const int opened = open_part(&part, err);
    pe_autoclose int fd = part.fd;
    if (opened < 0)
        return -1;
    progress_begin(progress, "fetching", image->rootfs_bytes);
    progress_add(progress, part.bytes);
    if (complete_and_check(&part, &keep, err) < 0) {
        if (!keep)
            unlink(part.path);
        return -1;
    }
    return rename(part.path, target) == 0 ? 0 : pe_fail_errno(err, "cannot move %s to %s", part.path, target);
}
