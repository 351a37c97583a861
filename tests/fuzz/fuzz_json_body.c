/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of POST /v1/run in JSON. What is accepted means the same to a JSON library, and has the
 * properties that lb/core/submission.h promises. */
#include "codec/base64.h"
#include "lb/core/submission.h"
#include "proto/image_reference.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

static void check_file(const struct submission *request, size_t at, const char *name, const json_t *value)
{
    const struct pe_part *file = &request->files.items[at];
    const json_t *coded = json_object_get(value, "base64");
    struct pe_error err;
    size_t size = json_string_length(value);
    uint8_t *bytes = NULL;
    HOLDS(!strcmp(file->path.text, name));
    if (coded) {
        bytes = pe_base64_decode(json_string_value(coded), json_string_length(coded), &size, &err);
        HOLDS(bytes);
    }
    HOLDS(file->size == size);
    HOLDS(!memcmp(request->bytes[at], bytes ? (char *)bytes : json_string_value(value), size));
    free(bytes);
}

static void check_request(const struct submission *request, const uint8_t *body, size_t size)
{
    const size_t mark = size >= 3 && !memcmp(body, "\xef\xbb\xbf", 3) ? 3 : 0; /* is ignored */
    json_t *json =
        json_loadb((const char *)body + mark, size - mark, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    const char *name = NULL;
    json_t *value = NULL;
    size_t at = 0;
    HOLDS(json && request->spec.image && pe_image_reference_valid(request->spec.image));
    json_t *files = json_object_get(json, "files");
    HOLDS(request->files.count == json_object_size(files));
    json_object_foreach(files, name, value)
    {
        check_file(request, at++, name, value);
    }
    HOLDS(request->spec_text.left <= size);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct submission request;
    struct pe_error err;
    char *body = fuzz_text(bytes, size);
    if (submission_parse_json(body, size, &request, &err) == 0)
        check_request(&request, (uint8_t *)body, size);
    submission_free(&request);
    free(body);
    return 0;
}
