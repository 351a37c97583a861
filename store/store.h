/* The image store of a host, read side: pe-worker reads it, pe-image writes it (image/store_writer.h).
 *
 *   STORE/<digest hex>/rootfs.squashfs   padded with zeroes to a multiple of 2 MiB (PE_PMEM_ALIGN); never
 *                                        changed once it is there
 *   STORE/names/<name>.json              a catalog entry (proto/image.h); '/' of the name is '+'
 *   STORE/index.json                     all catalog entries, for those who fetch over HTTP
 *
 * A rootfs may have several names. Everything appears under its final name by one rename(2), a rootfs before
 * its names; what begins with "." is unfinished work or the lock of the writers. */
#ifndef PE_STORE_STORE_H
#define PE_STORE_STORE_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"

#include <stddef.h>

struct pe_store_images {
    struct pe_image *items; /* owned; sorted by name */
    size_t count;
};

/* Every whole image of the store at directory `store`. A store that does not exist is PE_ERR_NOT_FOUND,
 * naming the command that makes one; an entry that cannot be read fails the call, naming it. */
int pe_store_list(const char *store, struct pe_store_images *images, struct pe_error *err) PE_MUST_CHECK;
void pe_store_images_free(struct pe_store_images *images);
#define pe_autostoreimages __attribute__((cleanup(pe_store_images_free)))

/* The file of a name in STORE, "names/<name>.json", into `path`. */
#define PE_STORE_NAME_PATH_MAX (PE_IMAGE_NAME_MAX + 16)
void pe_store_name_path(const char *name, char path[PE_STORE_NAME_PATH_MAX]);

/* Find the image that a reference means (proto/image_reference.h). PE_ERR_NOT_FOUND names the reference and
 * up to three images that may have been meant. The result points into `images`. */
const struct pe_image *pe_store_find(const struct pe_store_images *images, const char *reference,
                                     struct pe_error *err) PE_MUST_CHECK;

/* Open an image's rootfs read-only (O_CLOEXEC); the caller closes it. Checks that its size is a multiple of 2
 * MiB. */
int pe_store_open_rootfs(const char *store, const struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

#endif
