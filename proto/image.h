/* An image's entry in the catalog: image.json beside its rootfs, an element of `hello`'s images and of GET
 * /v1/images. */
#ifndef PE_PROTO_IMAGE_H
#define PE_PROTO_IMAGE_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define PE_IMAGE_GROUPS_MAX 32u
#define PE_IMAGE_COMMANDS_MAX 64u

/* Whom the image's programs run as: numbers, found in its own /etc/passwd and /etc/group when it was taken
 * in. */
struct pe_image_user {
    char *name; /* as the image says it, "postgres" or "1000:100"; empty: root */
    uint32_t uid, gid;
    uint32_t groups[PE_IMAGE_GROUPS_MAX]; /* supplementary ones */
    size_t group_count;
};

/* What to run for files of a kind. */
struct pe_image_command {
    char *files; /* a glob (codec/glob.h): one of the job's files must match */
    char **cmd;
    size_t cmd_count;
};

#define PE_IMAGE_IDENTITY_SIZE 65 /* 64 hex digits of a SHA-256, and the NUL */

struct pe_image {
    /* Of the entry's text in a store: another one under the same name has another. "": it came from
     * elsewhere. */
    char identity[PE_IMAGE_IDENTITY_SIZE];
    char *name;         /* "gcc:14", a valid image reference with a tag */
    char *digest;       /* "sha256:<64 hex>" of the rootfs squashfs file, whole */
    char *description;  /* one sentence, may be empty */
    char **default_cmd; /* words; "{files}" and "{files:GLOB}" stand for the uploaded files, see below */
    size_t default_cmd_count;
    char **env; /* "KEY=value" */
    size_t env_count;
    char
        *working_dir; /* absolute; where a job runs is always /work, this is what the image itself asks for */
    uint64_t rootfs_bytes;

    char *root; /* directory of the rootfs file that is this image's root: "" or, of a combined one, its
                   prefix */
    char *architecture; /* "amd64"; empty: not known */
    struct pe_image_user user;
    char **entrypoint; /* of the OCI configuration; default_cmd has it in front of cmd */
    size_t entrypoint_count;
    char **cmd;
    size_t cmd_count;
    char *stop_signal; /* "SIGTERM"; empty: not said. Shown only: what outlives its time is killed */
    char **warmup;     /* a command to run in a VM before it is kept ready for jobs; none: empty */
    size_t warmup_count;
    struct pe_image_command *commands; /* tried in order before default_cmd */
    size_t command_count;
    json_t *metadata; /* what only people and pages need, checked (proto/metadata.h); NULL: none */
};

/* Decode and validate (PE_ERR_MALFORMED names the field). Unknown fields are ignored. `image` is zeroed
 * first. */
int pe_image_from_json(const json_t *json, struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;
json_t *pe_image_to_json(const struct pe_image *image);
void pe_image_free(struct pe_image *image);
#define pe_autoimage __attribute__((cleanup(pe_image_free)))

/* The command for the job's files: the first of `commands` that one of them matches, else default_cmd. A word
 * "{files}" becomes one word per file in the order they were sent, "{files:*.c}" one per file whose path
 * matches the glob (codec/glob.h), "{options}" what the defaults of the metadata's options add. `*cmd`
 * (NULL-terminated) and its words are the caller's. PE_ERR_INVALID when the image has no default command or a
 * placeholder finds no file. */
int pe_image_default_command(const struct pe_image *image, const char *const *files, size_t file_count,
                             char ***cmd, size_t *cmd_count, struct pe_error *err) PE_MUST_CHECK;

void pe_strings_free(char **strings, size_t count);

#endif
