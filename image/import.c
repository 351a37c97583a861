/* The steps of an import, in order: read the tar, complete the tree, write the image, digest it, publish. */
#include "image/import.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/entry.h"
#include "image/squash.h"
#include "image/tar.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIGEST_CHUNK_BYTES (1u << 20)

/* ---- what a job needs of any rootfs ---- */

/* crun mounts on these; a read-only image cannot get them later. */
static int make_mount_points(struct tree *tree, struct pe_error *err)
{
    static const struct {
        const char *path;
        uint32_t mode;
    } points[] = {{"dev", 0755},  {"proc", 0555},  {"sys", 0555},   {"tmp", 01777},
                  {"work", 0755}, {"input", 0755}, {"output", 0755}};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct tree_inode *inode = tree_find(tree, points[i].path);
        if (inode && !S_ISDIR(inode->attributes.mode))
            return pe_fail(err, PE_ERR_INVALID,
                           "/%s of this root filesystem is not a directory: a job needs it", points[i].path);
        const struct tree_attributes attributes = {.mode = S_IFDIR | points[i].mode};
        if (!inode && tree_put(tree, points[i].path, &attributes, &inode, err) < 0)
            return -1;
    }
    return 0;
}

/* People will try what `docker save` writes: layers, not a root filesystem. */
static int check_is_rootfs(const struct tree *tree, const char *source, struct pe_error *err)
{
    if (tree->root->entry_count == 0)
        return pe_fail(err, PE_ERR_MALFORMED, "%s: the archive is empty", source);
    if ((tree_find(tree, "manifest.json") || tree_find(tree, "oci-layout")) && !tree_find(tree, "bin") &&
        !tree_find(tree, "usr"))
        return pe_fail(err, PE_ERR_INVALID,
                       "%s is an archive of image layers, not of a root filesystem: use `docker export` of a "
                       "container instead of `docker save`",
                       source);
    return 0;
}

/* ---- digest ---- */

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static int digest_file(const char *path, char text[72], struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    pe_autofree uint8_t *chunk = malloc(DIGEST_CHUNK_BYTES);
    __attribute__((cleanup(free_digest))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (fd < 0 || !chunk || !context)
        return pe_fail_errno(err, "reading %s", path);
    int good = EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (;;) {
        ssize_t n = read(fd, chunk, DIGEST_CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "reading %s", path);
        if (n == 0)
            break;
        good &= EVP_DigestUpdate(context, chunk, (size_t)n);
    }
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!good || !EVP_DigestFinal_ex(context, hash, &size) || size != 32)
        return pe_fail(err, PE_ERR_INTERNAL, "%s: OpenSSL could not compute SHA-256", path);
    int used = sprintf(text, "sha256:");
    for (unsigned i = 0; i < size; i++)
        used += sprintf(text + used, "%02x", hash[i]);
    return 0;
}

/* ---- the steps ---- */

static int write_rootfs(const char *path, int fd, const char *source, struct tar_counts *counts,
                        uint64_t *size, struct pe_error *err)
{
    /* Declared before the writer, so freed after it: its threads write into the tree's inodes. */
    pe_autotree struct tree tree = {0};
    pe_autosquash struct squash *squash = NULL;
    if (tree_init(&tree, err) < 0 || !(squash = squash_create(path, err)))
        return -1;
    if (tar_read(fd, source, &tree, squash, counts, err) < 0 || check_is_rootfs(&tree, source, err) < 0 ||
        make_mount_points(&tree, err) < 0)
        return -1;
    return squash_finish(squash, &tree, size, err);
}

static void report_done(const struct pe_image *image, const struct tar_counts *counts, uint64_t started_us)
{
    if (counts->dropped)
        fprintf(stderr, "pe-image: left out %llu device nodes, fifos and sockets\n",
                (unsigned long long)counts->dropped);
    fprintf(stderr, "pe-image: %s: %llu files, %.1f MiB, as squashfs %.1f MiB, %s, %.1f s\n", image->name,
            (unsigned long long)counts->files, (double)counts->bytes / 1048576,
            (double)image->rootfs_bytes / 1048576, image->digest, (double)(pe_now_us() - started_us) / 1e6);
}

int import_tar(const char *store, int fd, const char *source, struct pe_image *image, struct pe_error *err)
{
    uint64_t started_us = pe_now_us();
    pe_autoentry struct entry entry = {.lock = -1};
    struct tar_counts counts;
    char digest[72];
    fprintf(stderr, "pe-image: %s: reading %s\n", image->name, source);
    if (entry_begin(store, &entry, err) < 0 ||
        write_rootfs(entry.rootfs, fd, source, &counts, &image->rootfs_bytes, err) < 0 ||
        digest_file(entry.rootfs, digest, err) < 0)
        return -1;
    free(image->digest);
    image->digest = strdup(digest);
    if (!image->digest)
        return pe_fail_errno(err, "digest of %s", image->name);
    if (entry_publish(&entry, image, err) < 0)
        return -1;
    report_done(image, &counts, started_us);
    return 0;
}
