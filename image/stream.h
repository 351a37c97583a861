/* SPDX-License-Identifier: Apache-2.0 */
/* A layer as a stream of tar bytes: reading, decompressing and checking a file in one pass.
 *
 *   stream_open -> stream_next... -> stream_finish -> stream_free
 *
 * The file is not trusted. Its size and digest, the digest of the unpacked tar (the diff id of OCI
 * image-spec config.md) and the limit for the unpacked size of all layers are checked. */
#ifndef PE_IMAGE_STREAM_H
#define PE_IMAGE_STREAM_H

#include "base/error.h"
#include "image/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream_input {
    int fd;              /* a seekable file, read from its start; stays open */
    const char *name;    /* used in messages */
    uint64_t size;       /* expected bytes of the file */
    const char *digest;  /* of the file; NULL: unknown */
    const char *diff_id; /* of the unpacked tar; NULL: unknown */
    bool any_filter;     /* accept every compression, and not only none, gzip and zstd, which layers use */
};

struct stream;

/* Begin reading. `*bytes_left` is the remaining limit for unpacked bytes and is counted down.
 * `input`, `bytes_left` and `progress` must outlive the stream. The caller frees the stream. NULL
 * on failure: PE_ERR_INVALID when the file is compressed more than once, and the errors of stream_next. */
struct stream *stream_open(const struct stream_input *input, uint64_t *bytes_left, struct progress *progress,
                           struct pe_error *err) PE_MUST_CHECK;

/* Get the next unpacked bytes. They are valid until the next call. `*size` is 0 at the end.
 * PE_ERR_MALFORMED when the file cannot be unpacked, PE_ERR_INVALID when it is longer than
 * expected, PE_ERR_TOO_LARGE beyond the limit, PE_ERR_INTERNAL when it cannot be read or without memory. */
int stream_next(struct stream *stream, const void **bytes, size_t *size, struct pe_error *err) PE_MUST_CHECK;

/* Read what follows the tar, and check the size and the digests. PE_ERR_INVALID when one of them is
 * wrong, and the errors of stream_next. */
int stream_finish(struct stream *stream, struct pe_error *err) PE_MUST_CHECK;
/* Free the stream; NULL is allowed. */
void stream_free(struct stream *stream);

/* The function of the cleanup attribute below. */
static inline void stream_cleanup(struct stream **stream)
{
    stream_free(*stream);
}
#define pe_autostream __attribute__((cleanup(stream_cleanup)))

#endif
