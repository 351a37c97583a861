/* SPDX-License-Identifier: Apache-2.0 */
/* Catalog entries: what is known of an image besides its rootfs. The image store has one file for
 * each entry, and `hello` and GET /v1/images have arrays of them. */
#ifndef PE_PROTO_IMAGE_H
#define PE_PROTO_IMAGE_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define PE_IMAGE_GROUPS_MAX 32u
#define PE_IMAGE_COMMANDS_MAX 64u

/* The user that runs the image's programs. The numbers were found in the image's /etc/passwd and
 * /etc/group when it was imported. */
struct pe_image_user {
    char *name; /* as in the image: "postgres" or "1000:100"; empty: root */
    uint32_t uid, gid;
    uint32_t groups[PE_IMAGE_GROUPS_MAX]; /* supplementary ones */
    size_t group_count;
};

/* The command for files that match a glob. */
struct pe_image_command {
    char *files; /* glob (codec/glob.h) that one of the job's files must match */
    char **cmd;
    size_t cmd_count;
};

#define PE_IMAGE_IDENTITY_SIZE 65 /* 64 hex digits of a SHA-256, and the NUL */

struct pe_image {
    /* SHA-256 of the entry's text in the store, to tell entries under one name apart. Empty if the
     * entry is not from a store. */
    char identity[PE_IMAGE_IDENTITY_SIZE];
    char *name;         /* "gcc:14", a valid image reference with a tag */
    char *digest;       /* "sha256:<64 hex>" of the rootfs squashfs file */
    char *description;  /* one sentence, may be empty */
    char **default_cmd; /* arguments with placeholders, see pe_image_default_command */
    size_t default_cmd_count;
    char **env; /* "KEY=value" */
    size_t env_count;
    char *working_dir; /* absolute; see pe_image_default_directory; empty: /work */
    uint64_t rootfs_bytes;

    char *root; /* folder of the rootfs that is the image's root; empty unless the image is a combined one */
    char *architecture; /* "amd64"; empty: unknown */
    struct pe_image_user user;
    char **entrypoint; /* of the OCI configuration; default_cmd begins with it */
    size_t entrypoint_count;
    char **cmd;
    size_t cmd_count;
    char *stop_signal; /* "SIGTERM"; empty: none. For information only: a timeout is a SIGKILL */
    char **warmup;     /* command that a VM runs before it is kept ready for jobs; empty: none */
    size_t warmup_count;
    struct pe_image_command *commands; /* tried in order before default_cmd */
    size_t command_count;
    json_t *metadata; /* for people and web pages (proto/metadata.h); NULL: none */
};

/* Decode and check an entry. PE_ERR_MALFORMED names the wrong field, PE_ERR_INTERNAL without memory.
 * Unknown fields are ignored. The caller frees `image`, which is zeroed first, also after a failure. */
int pe_image_from_json(const json_t *json, struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;

/* The entry as a new JSON object, whose reference is the caller's; NULL without memory, or if a text is not
 * UTF-8. */
json_t *pe_image_to_json(const struct pe_image *image);

/* Free the members. The struct is zero then. */
void pe_image_free(struct pe_image *image);
#define pe_autoimage __attribute__((cleanup(pe_image_free)))

/* The command for the job's files: the first entry of `commands` that matches one of them,
 * otherwise default_cmd. Placeholders are replaced: "{files}" by the names of all files in the
 * order in which they were sent (pe_path_as_argument), "{files:*.c}" by those that match the glob,
 * and "{options}" by the arguments that the options of the metadata add by default. The caller owns
 * `*cmd`, which ends with NULL, and its texts (pe_strings_free). PE_ERR_INVALID if the image has no
 * default command or if no file matches a placeholder, PE_ERR_INTERNAL without memory. */
int pe_image_default_command(const struct pe_image *image, const char *const *files, size_t file_count,
                             char ***cmd, size_t *cmd_count, struct pe_error *err) PE_MUST_CHECK;

/* The directory in which the default command for these files runs. It is working_dir only for
 * default_cmd, and only if that has no placeholder for files, whose names are relative to /work.
 * Commands of jobs always run in /work. The result belongs to `image` or is static. */
const char *pe_image_default_directory(const struct pe_image *image, const char *const *files,
                                       size_t file_count);

/* Free an array of texts and the texts. */
void pe_strings_free(char **strings, size_t count);

#endif
