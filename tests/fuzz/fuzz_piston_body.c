/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies of Piston's requests. The first line of the input is the Content-Encoding, the rest
 * is the body. What is unpacked stays near its limit, and what is packed here is unpacked again, also from
 * several members of gzip. */
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

/* Append a member of gzip to `packed`. */
static void pack_member(const uint8_t *bytes, size_t size, struct pe_buf *packed)
{
    struct pe_error err;
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size};
    HOLDS(deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&stream, size);
    HOLDS(pe_buf_reserve(packed, packed->size + bound, &err) == 0);
    stream.next_out = packed->data + packed->size;
    stream.avail_out = (uInt)bound;
    HOLDS(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed->size += bound - stream.avail_out;
    deflateEnd(&stream);
}

static void check_members(struct pe_cursor body)
{
    pe_autobuf struct pe_buf packed = {0}, out = {0};
    struct pe_error err;
    size_t first = body.left / 2;
    pack_member(body.at, first, &packed);
    pack_member(body.at + first, body.left - first, &packed);
    const struct pe_cursor again = {.at = packed.data, .left = packed.size};
    HOLDS(piston_body_decompress("gzip", 4, again, LIMIT, &out, &err) == 0);
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
    if (size > LIMIT / 2) /* what cannot be compressed becomes larger */
        return 0;
    check_packed(rest);
    check_members(rest);
    return 0;
}
