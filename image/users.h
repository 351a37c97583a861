/* Whom an image's programs run as: `User` of its configuration (OCI image-spec config.md) by its own
 * /etc/passwd and /etc/group. */
#ifndef PE_IMAGE_USERS_H
#define PE_IMAGE_USERS_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/image.h"

#include <limits.h>

struct users_home {
    char path[PATH_MAX]; /* of the user, "" when it is not known */
};

/* Resolve "", "user", "uid", "user:group", "uid:gid"... into numbers; `user->name` is left alone. A name that
 * is not in the files is PE_ERR_INVALID; a number need not be. */
int users_resolve(const char *said, const struct pe_buf *passwd, const struct pe_buf *group,
                  struct pe_image_user *user, struct users_home *home, struct pe_error *err) PE_MUST_CHECK;

#endif
