/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts that are at no place yet (fsmount(2), open_tree(2)). They are made in pe-init's own mount namespace,
 * and moved to their places from inside a container's. What can fail fails with PE_ERR_INTERNAL, and names
 * the file system or the folder. */
#ifndef PE_GUEST_INIT_DETACHED_H
#define PE_GUEST_INIT_DETACHED_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* An option of a file system, as in mount(8). */
struct detached_option {
    const char *key, *value;
};

/* Mount a new file system of this type. `attributes` are MOUNT_ATTR_…. Returns a descriptor, which the caller
 * closes; the mount then ends, unless it was moved to a place. PE_ERR_INTERNAL names the type. */
int detached_mount(const char *type, const struct detached_option *options, size_t count, uint64_t attributes,
                   struct pe_error *err) PE_MUST_CHECK;

/* Copy the mount of a folder, and set attributes of the copy. With `recursive`, the mounts below it are
 * copied as well, and keep their attributes. Returns a descriptor, which the caller closes. */
int detached_clone(int folder, int recursive, uint64_t attributes, struct pe_error *err) PE_MUST_CHECK;

/* Open a folder below the root of a container, which an untrusted image has made: symbolic links are not
 * followed. Returns an O_PATH descriptor. PE_ERR_INTERNAL if this is no folder. */
int detached_place(int root, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Move a detached mount onto such a folder. */
int detached_attach(int root, const char *name, int mount, struct pe_error *err) PE_MUST_CHECK;

#endif
