/* Writing the image store (its layout: store/store.h). An entry is made in a hidden directory of its own and
 * appears under its digest by one rename(2). Entries that a dead process left unfinished are swept whenever a
 * new one is begun. */
#ifndef PE_IMAGE_STORE_WRITER_H
#define PE_IMAGE_STORE_WRITER_H

#include "base/error.h"
#include "proto/image.h"

#include <limits.h>

struct store_writer {
    const char *store;
    char
        directory[PATH_MAX]; /* absolute or relative path of the unfinished entry; empty when there is none */
    char rootfs[PATH_MAX];   /* path of the rootfs file in it, for the caller to create */
    char spool[PATH_MAX];    /* path for what is fetched to make it; not made, removed when published */
    int lock;                /* descriptor of the directory, flock(2)ed while the entry is unfinished */
};

/* Begin an entry in the store at `store`, which is made when missing and must live as long as the entry. */
int store_writer_begin(const char *store, struct store_writer *writer, struct pe_error *err) PE_MUST_CHECK;

/* Complete it: sync the rootfs, put it and then `count` catalog entries, all of its digest, in place of what
 * had these names. A rootfs that thereby lost its last name is removed. */
int store_writer_publish(struct store_writer *writer, const struct pe_image *images, size_t count,
                         struct pe_error *err) PE_MUST_CHECK;

/* Remove what is unfinished, if anything. */
void store_writer_abandon(struct store_writer *writer);
#define pe_autostorewriter __attribute__((cleanup(store_writer_abandon)))

/* Remove a name from a store, and its rootfs with the last one. PE_ERR_NOT_FOUND with suggestions. */
int store_remove_name(const char *store, const char *reference, struct pe_error *err) PE_MUST_CHECK;

/* Put a catalog entry for a rootfs that is in the store already. PE_ERR_NOT_FOUND when it is not (any more).
 */
int store_add_name(const char *store, const struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

/* Give an image one more name, with a copy of its catalog entry. */
int store_copy_name(const char *store, const char *reference, const char *name,
                    struct pe_error *err) PE_MUST_CHECK;

/* Remove rootfs files without a name, and what dead processes left. Counts what had no name. */
int store_collect_garbage(const char *store, uint64_t *removed, uint64_t *bytes,
                          struct pe_error *err) PE_MUST_CHECK;

#endif
