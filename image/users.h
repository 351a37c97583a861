/* SPDX-License-Identifier: Apache-2.0 */
/* The user that programs of an image run as: `User` of its configuration (OCI image-spec
 * config.md), looked up in the image's own /etc/passwd and /etc/group. */
#ifndef PE_IMAGE_USERS_H
#define PE_IMAGE_USERS_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"

#include <limits.h>

struct users_home {
    char path[PATH_MAX]; /* home directory of the user; "" when unknown */
};

/* Turn `spec`, which is "" (root), "user", "uid", "user:group", "uid:gid" or a mixture, into ids.
 * `passwd` and `group` are the contents of the image's files. `user->name` is not changed.
 * PE_ERR_INVALID for a name that is not in the files; a number need not be in them. */
int users_resolve(const char *spec, const struct pe_buf *passwd, const struct pe_buf *group,
                  struct pe_image_user *user, struct users_home *home, struct pe_error *err) PE_MUST_CHECK;

#endif
