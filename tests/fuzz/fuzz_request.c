/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of POST /v1/run. The first line of the input is the Content-Type, and the rest is the
 * body. A request that is accepted has the properties that lb/core/submission.h promises. */
#include "codec/multipart.h"
#include "lb/core/submission.h"
#include "proto/image_reference.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void read_parts(const char *type, size_t type_size, const uint8_t *body, size_t size)
{
    struct pe_error err;
    struct pe_form form;
    struct pe_form_part part;
    if (pe_form_init(&form, type, type_size, body, size, &err) < 0)
        return;
    while (pe_form_next(&form, &part, &err) > 0) {
        HOLDS(part.data >= body && part.data + part.size <= body + size);
        HOLDS(strlen(part.name) < sizeof part.name && part.filename_length < sizeof part.filename);
    }
}

static void check_request(const struct submission *request, const uint8_t *body, size_t size)
{
    uint64_t total = 0;
    HOLDS(request->spec.image && pe_image_reference_valid(request->spec.image));
    HOLDS(request->spec.timeout_ms >= 1 && request->spec.timeout_ms <= PE_TIMEOUT_MS_MAX);
    HOLDS(request->files.count <= PE_INPUT_FILES_MAX);
    for (size_t i = 0; i < request->files.count; i++) {
        const struct pe_part *file = &request->files.items[i];
        struct pe_path again;
        struct pe_error err;
        HOLDS(pe_path_parse(file->path.text, file->path.length, 1, &again, &err) == 0);
        HOLDS(request->bytes[i] >= body && request->bytes[i] + file->size <= body + size);
        total += file->size;
    }
    HOLDS(total == request->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size ? memchr(bytes, '\n', size) : NULL;
    struct submission request;
    struct pe_error err;
    if (!end)
        return 0;
    const char *type = (const char *)bytes;
    size_t type_size = (size_t)(end - bytes), body_size = size - type_size - 1;
    read_parts(type, type_size, end + 1, body_size);
    if (submission_parse(type, type_size, end + 1, body_size, &request, &err) == 0)
        check_request(&request, end + 1, body_size);
    submission_free(&request);
    return 0;
}
