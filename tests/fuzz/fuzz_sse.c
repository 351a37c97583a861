/* SPDX-License-Identifier: Apache-2.0 */
/* Server-Sent Events, which `pe-run mcp` reads. However they are cut, their data is the same. */
#include "base/cleanup.h"
#include "cli/sse_reader.h"
#include "tests/fuzz/fuzz.h"

static int on_event(void *context, const struct pe_buf *data, struct pe_error *err)
{
    struct pe_buf *all = context;
    if (data->size == 3 && !memcmp(data->data, "end", 3))
        return pe_fail(err, PE_ERR_MALFORMED, "the last event");
    HOLDS(pe_buf_append(all, data->data, data->size, err) == 0 && pe_buf_append(all, "\0", 1, err) == 0);
    return 0;
}

/* Returns whether the reading failed. */
static bool read_all(const uint8_t *bytes, size_t size, size_t piece, struct pe_buf *all)
{
    struct pe_error err = {0};
    struct sse_reader reader = {.line = {.limit = 256}, .on_event = on_event, .context = all};
    int failed = 0;
    for (size_t at = 0; at < size && !failed; at += piece)
        failed = sse_reader_feed(&reader, bytes + at, piece < size - at ? piece : size - at, &err);
    HOLDS(!failed == !err.message[0] && reader.line.size <= 256);
    sse_reader_free(&reader);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf whole = {0}, pieces = {0};
    bool failed = read_all(bytes, size, size ? size : 1, &whole);
    HOLDS(read_all(bytes, size, 1, &pieces) == failed);
    HOLDS(whole.size == pieces.size && (!whole.size || !memcmp(whole.data, pieces.data, whole.size)));
    return 0;
}
