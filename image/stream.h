/* A layer as a stream of tar bytes: a compressed file is read, unpacked and checked on the way.
 *
 *   stream_open -> stream_next... -> stream_finish -> stream_free
 *
 * Whoever reads it needs no trust in the file: its size and digest, the digest of what it unpacks to (the
 * diff id of OCI image-spec config.md) and the bytes that all layers together may unpack to are held to. */
#ifndef PE_IMAGE_STREAM_H
#define PE_IMAGE_STREAM_H

#include "base/error.h"
#include "image/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream_input {
    int fd;              /* a seekable file, read from its start; the caller's */
    const char *name;    /* for messages */
    uint64_t size;       /* bytes; anything else is refused */
    const char *digest;  /* of the file as it is; NULL: not known */
    const char *diff_id; /* of what it unpacks to; NULL: not known */
    bool any_filter;     /* every compression that a tar may have, not only a layer's: none, gzip and zstd */
};

struct stream;

/* Begin reading. `*bytes_left` is what may still be unpacked, counted down. `source`, `bytes_left` and
 * `progress` must outlive the stream. NULL on failure. */
struct stream *stream_open(const struct stream_input *source, uint64_t *bytes_left, struct progress *progress,
                           struct pe_error *err) PE_MUST_CHECK;

/* The next unpacked bytes, valid until the next call; `*size` is 0 at the end. PE_ERR_MALFORMED for bytes
 * that do not unpack, PE_ERR_TOO_LARGE over the limit. */
int stream_next(struct stream *stream, const void **bytes, size_t *size, struct pe_error *err) PE_MUST_CHECK;

/* Read what the tar's reader left, and check size and digests: PE_ERR_INVALID when one is another. */
int stream_finish(struct stream *stream, struct pe_error *err) PE_MUST_CHECK;
void stream_free(struct stream *stream);

static inline void stream_cleanup(struct stream **stream)
{
    stream_free(*stream);
}
#define pe_autostream __attribute__((cleanup(stream_cleanup)))

#endif
