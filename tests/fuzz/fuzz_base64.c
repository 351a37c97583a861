/* SPDX-License-Identifier: Apache-2.0 */
/* Base64. A text that is accepted is what encoding its bytes gives, and bytes come back unchanged. */
#include "base/cleanup.h"
#include "codec/base64.h"
#include "codec/json_text.h"
#include "tests/fuzz/fuzz.h"

static void encode(const void *bytes, size_t size, struct pe_buf *text)
{
    struct pe_error err;
    struct pe_cursor rest = {.at = bytes, .left = size};
    HOLDS(pe_json_append_base64(text, &rest, SIZE_MAX / 2, &err) == 0 && rest.left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_error err;
    size_t length = 0;
    pe_autobuf struct pe_buf text = {0}, again = {0};
    encode(bytes, size, &text);
    pe_autofree uint8_t *decoded = pe_base64_decode((const char *)text.data, text.size, &length, &err);
    HOLDS(decoded && length == size && (!size || !memcmp(decoded, bytes, size)));
    pe_autofree uint8_t *other = pe_base64_decode((const char *)bytes, size, &length, &err);
    if (other) {
        encode(other, length, &again);
        HOLDS(again.size == size && (!size || !memcmp(again.data, bytes, size)));
    }
    return 0;
}
