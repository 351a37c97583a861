/* An image's entry in the catalog: image.json beside its rootfs, an element of `hello`'s images and of GET
 * /v1/images. */
#ifndef PE_PROTO_IMAGE_H
#define PE_PROTO_IMAGE_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct pe_image {
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
    char **warmup; /* a command to run in a VM before it is kept ready for jobs; none: empty */
    size_t warmup_count;
};

/* Decode and validate (PE_ERR_MALFORMED names the field). Unknown fields are ignored. `image` is zeroed
 * first. */
int pe_image_from_json(const json_t *json, struct pe_image *image, struct pe_error *err) PE_MUST_CHECK;
json_t *pe_image_to_json(const struct pe_image *image);
void pe_image_free(struct pe_image *image);
#define pe_autoimage __attribute__((cleanup(pe_image_free)))

/* The default command with the job's files put in: a word "{files}" becomes one word per file in the order
 * they were sent, "{files:*.c}" one per file whose path matches the glob (proto/glob.h). `*cmd`
 * (NULL-terminated) and its words are the caller's. PE_ERR_INVALID when the image has no default command or a
 * placeholder finds no file. */
int pe_image_default_command(const struct pe_image *image, const char *const *files, size_t file_count,
                             char ***cmd, size_t *cmd_count, struct pe_error *err) PE_MUST_CHECK;

void pe_strings_free(char **strings, size_t count);

#endif
