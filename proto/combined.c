/* SPDX-License-Identifier: Apache-2.0 */
/* Appending to a combined stream. The host and the guest use this file. */
#include "proto/combined.h"

#include "base/utf8.h"

int pe_combined_append(struct pe_buf *combined, const struct pe_buf *stream, size_t added, size_t *held,
                       struct pe_error *err)
{
    size_t waiting = *held + added;
    if (waiting == 0)
        return 0; /* the stream may have no memory yet */
    *held = pe_utf8_unfinished_size(stream->data, stream->size);
    return pe_buf_append(combined, stream->data + stream->size - waiting, waiting - *held, err);
}

int pe_combined_finish(struct pe_buf *combined, const struct pe_buf *stream, size_t *held,
                       struct pe_error *err)
{
    size_t size = *held;
    *held = 0;
    return size ? pe_buf_append(combined, stream->data + stream->size - size, size, err) : 0;
}
