/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the image store, whose layout store/store.h describes. A rootfs is made in a hidden
 * directory and appears under its digest by one rename(2). Whenever a writer begins, it deletes
 * directories that dead processes left unfinished.
 *
 * What the file system refuses is PE_ERR_INTERNAL, with the path; a path that is too long is
 * PE_ERR_TOO_LARGE. The functions that need an existing store also fail as pe_store_list does. They wait for
 * the lock of other writers. */
#ifndef PE_IMAGE_STORE_WRITER_H
#define PE_IMAGE_STORE_WRITER_H

#include "base/error.h"
#include "proto/image.h"

#include <limits.h>

/* Begins the names of files that are fetched (image/part.h). */
#define STORE_PART_PREFIX ".part-"

struct store_writer {
    const char *store;        /* the caller's */
    char directory[PATH_MAX]; /* the unfinished directory; "" when there is none */
    char rootfs[PATH_MAX];    /* file in it that the caller creates */
    char spool[PATH_MAX];     /* directory in it that the caller may create for temporary files */
    int lock;                 /* descriptor of the directory, locked with flock(2) while it is unfinished */
};

/* Begin a rootfs in the store at `store`, which is created if necessary. The text `store` must stay
 * valid as long as `writer`. The caller ends it with store_writer_publish or store_writer_abandon. After
 * a failure there is nothing to end. */
int store_writer_begin(const char *store, struct store_writer *writer, struct pe_error *err) PE_MUST_CHECK;

/* Publish the rootfs: sync it, move it to its place, and then write the `count` catalog entries,
 * which all have its digest. Entries with the same names are replaced. A rootfs that loses its last
 * name is deleted. PE_ERR_TOO_LARGE also for an entry above PE_STORE_ENTRY_BYTES_MAX, PE_ERR_INVALID for one
 * that JSON cannot hold. After a failure, some of the entries may have been written; the caller still calls
 * store_writer_abandon. */
int store_writer_publish(struct store_writer *writer, const struct pe_image *images, size_t count,
                         struct pe_error *err) PE_MUST_CHECK;

/* Delete the unfinished directory, if there is one. */
void store_writer_abandon(struct store_writer *writer);
#define pe_autostorewriter __attribute__((cleanup(store_writer_abandon)))

/* Remove a name from a store, and the rootfs together with its last name. PE_ERR_NOT_FOUND suggests
 * similar names. */
int store_remove_name(const char *store, const char *reference, struct pe_error *err) PE_MUST_CHECK;

/* Write a catalog entry for a rootfs that is already in the store. Fails as pe_store_open_rootfs does when
 * the store does not have the rootfs (any more), and otherwise as store_writer_publish. */
int store_add_name(const char *store, const struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

/* Give an image the additional name `name`, with a copy of its catalog entry. PE_ERR_NOT_FOUND when
 * there is no such image, PE_ERR_INVALID when `name` is not NAME:TAG; otherwise fails as
 * store_writer_publish. */
int store_copy_name(const char *store, const char *reference, const char *name,
                    struct pe_error *err) PE_MUST_CHECK;

/* Delete rootfs files without a name, and what dead processes left behind. `*removed` is the number
 * of deleted rootfs files, `*bytes` their size; after a failure, of those that were deleted before. */
int store_collect_garbage(const char *store, uint64_t *removed, uint64_t *bytes,
                          struct pe_error *err) PE_MUST_CHECK;

#endif
