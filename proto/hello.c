/* SPDX-License-Identifier: Apache-2.0 */
/* Counting as the reader of a `hello` does. */
#include "proto/hello.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <string.h>

/* Room for what a `hello` says besides its images: a few texts of less than 256 bytes, and as many values. */
enum { HEAD_BYTES = 64 * 1024, HEAD_VALUES = 64 };

static int too_large(struct pe_error *err, const char *what, size_t most)
{
    return pe_fail(err, PE_ERR_TOO_LARGE, "the catalog entries of all images together have more than %zu %s",
                   most, what);
}

int pe_hello_room_take(struct pe_hello_room *room, const json_t *image, struct pe_error *err)
{
    struct pe_error ignored;
    pe_autofree char *text = json_dumps(image, JSON_COMPACT);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the catalog entry of an image");
    struct pe_hello_room all = {.images = room->images + 1,
                                .bytes = room->bytes + strlen(text) + strlen(","),
                                .patterns = room->patterns + pe_metadata_count_patterns(image)};
    if (all.images > PE_HELLO_IMAGES_MAX)
        return too_large(err, "images", PE_HELLO_IMAGES_MAX);
    if (all.bytes > PE_SLOT_TEXT_MAX - HEAD_BYTES)
        return too_large(err, "bytes", PE_SLOT_TEXT_MAX - HEAD_BYTES);
    if (all.patterns > PE_HELLO_PATTERNS_MAX)
        return too_large(err, "patterns of file names", PE_HELLO_PATTERNS_MAX);
    size_t values = 0;
    if (pe_json_count_values(text, strlen(text), PE_HELLO_VALUES_MAX, &values, &ignored) < 0 ||
        (all.values = room->values + values) > PE_HELLO_VALUES_MAX - HEAD_VALUES)
        return too_large(err, "values", PE_HELLO_VALUES_MAX - HEAD_VALUES);
    *room = all;
    return 0;
}
