/* SPDX-License-Identifier: Apache-2.0 */
/* The user of an image. The first line of the input is the user, what follows up to an empty line is
 * /etc/passwd, and the rest is /etc/group. A user that is found has ids that a process can have. */
#include "base/cleanup.h"
#include "image/users.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    pe_autofree char *user_name = fuzz_line(&rest);
    const uint8_t *end = rest.left ? memmem(rest.at, rest.left, "\n\n", 2) : NULL;
    size_t passwd_size = end ? (size_t)(end - rest.at) + 1 : rest.left;
    struct pe_image_user user = {.name = NULL};
    struct users_home home;
    struct pe_error err = {0};
    pe_autobuf struct pe_buf passwd = {0}, group = {0};
    HOLDS(pe_buf_append(&passwd, rest.at, passwd_size, &err) == 0);
    HOLDS(pe_buf_append(&group, rest.at + passwd_size, rest.left - passwd_size, &err) == 0);
    if (users_resolve(user_name, &passwd, &group, &user, &home, &err) == 0) {
        HOLDS(user.uid < UINT32_MAX && user.gid < UINT32_MAX && user.group_count <= PE_IMAGE_GROUPS_MAX);
        HOLDS(strlen(home.path) < sizeof home.path);
    } else {
        HOLDS(err.kind == PE_ERR_INVALID);
    }
    return 0;
}
