/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressing the body of a request with zlib. */
#include "lb/piston/body.h"

#include <strings.h>
#include <zlib.h>

enum { ANY_HEADER = 32 }; /* zlib.h: detect the header of zlib and of gzip */

static bool is_identity(const char *encoding, size_t size)
{
    return size == 0 || (size == 8 && !strncasecmp(encoding, "identity", 8));
}

bool piston_body_is_supported(const char *encoding, size_t size)
{
    return is_identity(encoding, size) || (size == 4 && !strncasecmp(encoding, "gzip", 4)) ||
           (size == 7 && !strncasecmp(encoding, "deflate", 7));
}

static int malformed(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_MALFORMED, "the request is not what its Content-Encoding says");
}

/* Decompress up to the end of the stream or of the room in `out`. Returns 1 if there is more. */
static int inflate_once(z_stream *stream, struct pe_buf *out, struct pe_error *err)
{
    size_t room = out->capacity - out->size;
    stream->next_out = out->data + out->size;
    stream->avail_out = (uInt)room;
    int got = inflate(stream, Z_NO_FLUSH);
    out->size += room - stream->avail_out;
    if (got == Z_STREAM_END)
        return 0;
    return got == Z_OK && (stream->avail_in || !stream->avail_out) ? 1 : malformed(err);
}

static int inflate_all(z_stream *stream, struct pe_buf *out, size_t limit, struct pe_error *err)
{
    int more = 1;
    while (more > 0) {
        if (out->size > limit)
            return pe_fail(err, PE_ERR_TOO_LARGE,
                           "the request has more than %zu bytes when it is decompressed", limit);
        if (pe_buf_reserve(out, out->size + stream->avail_in + 1, err) < 0)
            return -1;
        more = inflate_once(stream, out, err);
    }
    return more;
}

int piston_body_decompress(const char *encoding, size_t encoding_size, struct pe_cursor body, size_t limit,
                           struct pe_buf *out, struct pe_error *err)
{
    z_stream stream = {.next_in = (Bytef *)body.at, .avail_in = (uInt)body.left};
    if (is_identity(encoding, encoding_size))
        return pe_buf_append(out, body.at, body.left, err);
    if (inflateInit2(&stream, MAX_WBITS + ANY_HEADER) != Z_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot decompress a request");
    int failed = inflate_all(&stream, out, limit, err);
    inflateEnd(&stream);
    return failed;
}
