/* SPDX-License-Identifier: Apache-2.0 */
/* What is hashed: the image, the arguments of the command, an empty text, and the name of each file with the
 * SHA-256 of its content; a NUL is behind each of these texts. */
#include "cli/job_key.h"

#include "proto/job_spec.h"

#include <jansson.h>
#include <string.h>

static void add_command(struct pe_sha256 *hash, const char *job)
{
    size_t i = 0;
    const json_t *argument = NULL;
    pe_autojson json_t *json = json_loads(job, 0, NULL);
    const char *image = json_string_value(json_object_get(json, "image"));
    pe_sha256_add_text(hash, image ? image : "");
    json_array_foreach(json_object_get(json, "cmd"), i, argument)
    {
        pe_sha256_add_text(hash, json_string_value(argument) ? json_string_value(argument) : "");
    }
    pe_sha256_add_text(hash, "");
}

static int add_file(struct pe_sha256 *hash, const struct input_file *file, const struct pe_buf *bytes,
                    struct pe_error *err)
{
    char digest[PE_SHA256_DIGEST_SIZE];
    int failed = file->path ? pe_sha256_file_digest(file->path, digest, err)
                            : pe_sha256_digest(bytes->data, bytes->size, digest, err);
    if (failed)
        return -1;
    pe_sha256_add_text(hash, file->name);
    pe_sha256_add_text(hash, digest + strlen(PE_SHA256_PREFIX));
    return 0;
}

int job_key_compute(const char *job, const struct input_files *files, char key[PE_SHA256_HEX_SIZE],
                    struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(err);
    if (!hash)
        return -1;
    add_command(hash, job);
    for (size_t i = 0; i < files->count; i++)
        if (add_file(hash, &files->items[i], input_file_bytes(files, &files->items[i]), err) < 0)
            return -1;
    return pe_sha256_end_hex(hash, key, err);
}
