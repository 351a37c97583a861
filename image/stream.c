/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking and digesting. libarchive decompresses the file as a "raw" archive. image/layer.c reads
 * the tar. */
#include "image/stream.h"

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "image/packed_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define READ_BYTES (128u * 1024u)

struct stream {
    const struct stream_input *input;
    uint64_t *bytes_left;
    struct progress *progress;
    struct archive *archive;
    struct pe_sha256 *packed, *unpacked; /* NULL when there is no digest to compare with */
    uint64_t position;                   /* bytes that have been read from the file */
    bool begun, ended;                   /* the raw archive has been opened; it has been read to its end */
    bool failed; /* `failure` is the error of a callback, which libarchive cannot pass on */
    struct pe_error failure;
    uint8_t chunk[READ_BYTES];
};

/* Read the next chunk of the file. A file that is longer than expected is an error; stream_finish
 * detects a shorter one. */
static ssize_t read_file(struct stream *stream, struct pe_error *err)
{
    for (;;) {
        ssize_t n = pread(stream->input->fd, stream->chunk, READ_BYTES, (off_t)stream->position);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "cannot read %s", stream->input->name);
        if (stream->position + (uint64_t)n > stream->input->size)
            return pe_fail(err, PE_ERR_INVALID, "%s is longer than the expected %llu bytes",
                           stream->input->name, (unsigned long long)stream->input->size);
        if (stream->packed)
            pe_sha256_add(stream->packed, stream->chunk, (size_t)n);
        stream->position += (uint64_t)n;
        progress_add(stream->progress, (uint64_t)n);
        return n;
    }
}

static la_ssize_t on_read(struct archive *archive, void *data, const void **bytes)
{
    struct stream *stream = data;
    *bytes = stream->chunk;
    ssize_t n = read_file(stream, &stream->failure);
    if (n >= 0)
        return n;
    stream->failed = true;
    archive_set_error(archive, EIO, "%s", stream->failure.message);
    return ARCHIVE_FATAL;
}

static int fail(struct stream *stream, struct pe_error *err)
{
    if (stream->failed) {
        *err = stream->failure;
        return -1;
    }
    const char *why = archive_error_string(stream->archive);
    return pe_fail(err, archive_errno(stream->archive) == ENOMEM ? PE_ERR_INTERNAL : PE_ERR_MALFORMED,
                   "%s: %s", stream->input->name, why ? why : "cannot be unpacked");
}

static int open_archive(struct stream *stream, struct pe_error *err)
{
    struct archive *archive = stream->archive = archive_read_new();
    if (!archive)
        return pe_fail_errno(err, "%s: out of memory", stream->input->name);
    /* Filters are listed one by one, because "all" would include filters that start other
     * programs. */
    int worst = archive_read_support_format_raw(archive);
    worst |= archive_read_support_format_empty(archive);
    worst |= archive_read_support_filter_gzip(archive);
    worst |= archive_read_support_filter_zstd(archive);
    if (stream->input->any_filter) {
        worst |= archive_read_support_filter_bzip2(archive);
        worst |= archive_read_support_filter_xz(archive);
        worst |= archive_read_support_filter_lzma(archive);
        worst |= archive_read_support_filter_lz4(archive);
        worst |= archive_read_support_filter_compress(archive);
    }
    if (worst != ARCHIVE_OK || archive_read_open(archive, stream, NULL, on_read, NULL) != ARCHIVE_OK)
        return fail(stream, err);
    return packed_tar_check_filters(archive, stream->input->name, err);
}

struct stream *stream_open(const struct stream_input *input, uint64_t *bytes_left, struct progress *progress,
                           struct pe_error *err)
{
    pe_autostream struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        pe_fail_errno(err, "%s: out of memory", input->name);
        return NULL;
    }
    stream->input = input;
    stream->bytes_left = bytes_left;
    stream->progress = progress;
    if ((input->digest && !(stream->packed = pe_sha256_new(err))) ||
        (input->diff_id && !(stream->unpacked = pe_sha256_new(err))) || open_archive(stream, err) < 0)
        return NULL;
    return pe_steal_ptr(&stream);
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->archive)
        archive_read_free(stream->archive);
    pe_sha256_free(stream->packed);
    pe_sha256_free(stream->unpacked);
    free(stream);
}

/* Open the only member of the raw archive, which is the whole tar. */
static int begin(struct stream *stream, struct pe_error *err)
{
    struct archive_entry *entry = NULL;
    int got = archive_read_next_header(stream->archive, &entry);
    stream->begun = true;
    if (got == ARCHIVE_EOF)
        stream->ended = true;
    else if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
        return fail(stream, err);
    return 0;
}

int stream_next(struct stream *stream, const void **bytes, size_t *size, struct pe_error *err)
{
    la_int64_t offset = 0;
    *size = 0;
    if (!stream->begun && begin(stream, err) < 0)
        return -1;
    if (stream->ended)
        return 0;
    int got = archive_read_data_block(stream->archive, bytes, size, &offset);
    if (got == ARCHIVE_EOF) {
        stream->ended = true;
        *size = 0;
        return 0;
    }
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
        return fail(stream, err);
    if (*size > *stream->bytes_left)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "%s unpacks to more bytes than an image may have; --max-mib sets the limit",
                       stream->input->name);
    *stream->bytes_left -= *size;
    if (stream->unpacked)
        pe_sha256_add(stream->unpacked, *bytes, *size);
    return 0;
}

static int check_digest(const struct stream *stream, struct pe_sha256 *hash, const char *wanted,
                        const char *what, struct pe_error *err)
{
    char text[PE_SHA256_DIGEST_SIZE];
    if (!hash)
        return 0;
    if (pe_sha256_end_digest(hash, text, err) < 0)
        return -1;
    return strcmp(text, wanted) == 0 ? 0
                                     : pe_fail(err, PE_ERR_INVALID, "%s: its %s is %s instead of %s",
                                               stream->input->name, what, text, wanted);
}

int stream_finish(struct stream *stream, struct pe_error *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    do {
        if (stream_next(stream, &bytes, &size, err) < 0)
            return -1;
    } while (size > 0);
    /* Bytes after the compressed data are part of the file and of its digest. */
    for (ssize_t n = 1; n > 0;)
        if ((n = read_file(stream, err)) < 0)
            return -1;
    if (stream->position != stream->input->size)
        return pe_fail(err, PE_ERR_INVALID, "%s has %llu bytes instead of the expected %llu",
                       stream->input->name, (unsigned long long)stream->position,
                       (unsigned long long)stream->input->size);
    if (check_digest(stream, stream->packed, stream->input->digest, "digest", err) < 0)
        return -1;
    return check_digest(stream, stream->unpacked, stream->input->diff_id, "diff id", err);
}
