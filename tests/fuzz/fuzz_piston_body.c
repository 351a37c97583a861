/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies of Piston's requests. The first line of the input is the Content-Encoding, the rest
 * is the body. What is unpacked stays near its limit, and what is packed here is unpacked again. */
#include "base/cleanup.h"
#include "lb/piston/body.h"
#include "tests/fuzz/fuzz.h"

#include <zlib.h>

enum { LIMIT = 65536 };

static void check_packed(struct pe_cursor body)
{
    pe_autobuf struct pe_buf out = {0};
    struct pe_error err;
    uLongf packed_size = compressBound(body.left);
    pe_autofree uint8_t *packed = malloc(packed_size);
    HOLDS(packed && compress(packed, &packed_size, body.at, body.left) == Z_OK);
    const struct pe_cursor again = {.at = packed, .left = packed_size};
    HOLDS(piston_body_decompress("deflate", 7, again, LIMIT, &out, &err) == 0);
    HOLDS(out.size == body.left && (!out.size || !memcmp(out.data, body.at, out.size)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    pe_autofree char *encoding = fuzz_line(&rest);
    pe_autobuf struct pe_buf out = {0};
    struct pe_error err;
    if (piston_body_is_supported(encoding, strlen(encoding)))
        (void)!piston_body_decompress(encoding, strlen(encoding), rest, LIMIT, &out, &err);
    HOLDS(out.size <= 4 * LIMIT && out.capacity <= 8 * LIMIT);
    check_packed(rest);
    return 0;
}
