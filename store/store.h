/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the image store of a host. image/store_writer.h writes it. The layout is:
 *
 *   STORE/<digest hex>/rootfs.squashfs   a multiple of 2 MiB (PE_PMEM_ALIGN) long; never changes
 *   STORE/names/<name>.json              a catalog entry (proto/image.h); '+' replaces '/'
 *   STORE/index.json                     all catalog entries, for hosts that fetch them over HTTP
 *
 * A rootfs may have several names. Every file appears under its final name by one rename(2), and a
 * rootfs before its names. Names that begin with "." are unfinished work, or the lock of the
 * writers. */
#ifndef PE_STORE_STORE_H
#define PE_STORE_STORE_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"

#include <stddef.h>

/* A catalog entry that is larger cannot be read, and with it no other one: it must not be written. */
#define PE_STORE_ENTRY_BYTES_MAX PE_MIB

struct pe_store_images {
    struct pe_image *items; /* owned; sorted by name */
    size_t count;
};

/* List the images of the store in the directory `store`. PE_ERR_NOT_FOUND, with the commands that
 * create a store, when it does not exist. PE_ERR_MALFORMED names a catalog entry that is wrong,
 * PE_ERR_TOO_LARGE one above PE_STORE_ENTRY_BYTES_MAX, and PE_ERR_INTERNAL what cannot be opened or read.
 * An entry that is removed meanwhile is left out. The caller frees `images`, which is empty after a
 * failure. */
int pe_store_list(const char *store, struct pe_store_images *images, struct pe_error *err) PE_MUST_CHECK;
/* Free a list. */
void pe_store_images_free(struct pe_store_images *images);
#define pe_autostoreimages __attribute__((cleanup(pe_store_images_free)))

/* Write the path of a name's catalog entry, "names/<name>.json" relative to the store, to
 * `path`. */
#define PE_STORE_NAME_PATH_MAX (PE_IMAGE_NAME_MAX + 16)
void pe_store_name_path(const char *name, char path[PE_STORE_NAME_PATH_MAX]);

/* Find the image that a reference means (proto/image_reference.h). The result points into `images`.
 * NULL on failure; PE_ERR_NOT_FOUND suggests up to three images. */
const struct pe_image *pe_store_find(const struct pe_store_images *images, const char *reference,
                                     struct pe_error *err) PE_MUST_CHECK;

/* Check that slots can reach an image: they may read what is in the store, but not what a symbolic link
 * in it leads to. PE_ERR_INVALID names the link and says what to do, PE_ERR_INTERNAL if the entry's digest
 * is not valid. */
int pe_store_check_links(const char *store, const struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

/* Open an image's rootfs read-only, with O_CLOEXEC. The caller closes the descriptor.
 * PE_ERR_NOT_FOUND when the image has been removed or replaced since `image` was read,
 * PE_ERR_INTERNAL when the file cannot be opened otherwise, or when its size is not a positive
 * multiple of 2 MiB. */
int pe_store_open_rootfs(const char *store, const struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

#endif
