/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressing the body of a request with zlib. */
#include "lb/piston/body.h"

#include <strings.h>
#include <zlib.h>

/* zlib.h: detect the header of zlib and of gzip; accept only that of gzip */
enum { ANY_HEADER = 32, GZIP_HEADER = 16 };

static bool is_identity(const char *encoding, size_t size)
{
    return size == 0 || (size == 8 && !strncasecmp(encoding, "identity", 8));
}

static bool is_gzip(const char *encoding, size_t size)
{
    return size == 4 && !strncasecmp(encoding, "gzip", 4);
}

bool piston_body_is_supported(const char *encoding, size_t size)
{
    return is_identity(encoding, size) || is_gzip(encoding, size) ||
           (size == 7 && !strncasecmp(encoding, "deflate", 7));
}

static int malformed(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_MALFORMED, "the request is not what its Content-Encoding says");
}

/* Decompress up to the end of the stream or of the room in `out`. Returns 1 if the stream has more. */
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

/* Decompress one stream, and stop as soon as `out` has more bytes than the limit. */
static int inflate_stream(z_stream *stream, struct pe_buf *out, size_t limit, struct pe_error *err)
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

/* A body of gzip is a series of streams, each with a header of its own, whose contents belong together
 * (RFC 1952 section 2.2). As for gzip(1) and the server of Piston, zeros behind them are padding. */
static int inflate_members(z_stream *stream, struct pe_buf *out, size_t limit, struct pe_error *err)
{
    int failed = inflate_stream(stream, out, limit, err);
    while (!failed && stream->avail_in && *stream->next_in)
        failed = inflateReset2(stream, MAX_WBITS + GZIP_HEADER) == Z_OK
                     ? inflate_stream(stream, out, limit, err)
                     : pe_fail(err, PE_ERR_INTERNAL, "cannot decompress a request");
    return failed;
}

int piston_body_decompress(const char *encoding, size_t encoding_size, struct pe_cursor body, size_t limit,
                           struct pe_buf *out, struct pe_error *err)
{
    z_stream stream = {.next_in = (Bytef *)body.at, .avail_in = (uInt)body.left};
    /* Members without content could otherwise go on for ever. */
    if (body.left > limit)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the request has more than %zu bytes", limit);
    if (is_identity(encoding, encoding_size))
        return pe_buf_append(out, body.at, body.left, err);
    if (inflateInit2(&stream, MAX_WBITS + ANY_HEADER) != Z_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot decompress a request");
    int failed = is_gzip(encoding, encoding_size) ? inflate_members(&stream, out, limit, err)
                                                  : inflate_stream(&stream, out, limit, err);
    inflateEnd(&stream);
    return failed;
}
