/* SPDX-License-Identifier: Apache-2.0 */
/* Which piece comes next: of the text, or of a large value, which is first looked at. */
#include "codec/json_pieces.h"

#include "base/utf8.h"
#include "codec/json_text.h"
#include "codec/utf8_text.h"

/* ---- writing ---- */

static void append_small(struct pe_json_writer *writer, const char *name, const struct pe_buf *bytes)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_cursor rest = {.at = bytes->data, .left = bytes->size};
    if (!bytes->size || pe_utf8_valid(bytes->data, bytes->size)) {
        pe_json_append_bytes(writer, name, bytes->data, bytes->size);
        return;
    }
    pe_json_open(writer, name, '{');
    if (pe_json_append_base64(&text, &rest, SIZE_MAX, writer->err) < 0)
        writer->failed = true;
    else
        pe_json_append_bytes(writer, "base64", text.data, text.size);
    pe_json_close(writer, '}');
}

void pe_json_pieces_append(struct pe_json_pieces *pieces, struct pe_json_writer *writer, const char *name,
                           const struct pe_buf *bytes)
{
    if (bytes->size < PE_JSON_LARGE_SIZE) {
        append_small(writer, name, bytes);
        return;
    }
    if (pieces->count == PE_JSON_LARGE_MAX) {
        writer->failed =
            pe_fail(writer->err, PE_ERR_INTERNAL, "more than %d large values in JSON", PE_JSON_LARGE_MAX) < 0;
        return;
    }
    pe_json_append_raw(writer, name, "", 0);
    pieces->large[pieces->count++] =
        (struct pe_json_large){.at = pieces->text.size, .bytes = {.at = bytes->data, .left = bytes->size}};
}

/* ---- memory ---- */

size_t pe_json_pieces_bytes(const struct pe_json_pieces *pieces)
{
    size_t bytes = pieces->text.capacity;
    for (size_t i = 0; i < pieces->count; i++)
        bytes += pieces->large[i].owned.data ? pieces->large[i].owned.capacity : pieces->large[i].bytes.left;
    return bytes;
}

int pe_json_pieces_own(struct pe_json_pieces *pieces, struct pe_error *err)
{
    for (size_t i = 0; i < pieces->count; i++) {
        struct pe_json_large *large = &pieces->large[i];
        if (pe_buf_append(&large->owned, large->bytes.at, large->bytes.left, err) < 0)
            return -1;
        large->bytes.at = large->owned.data;
    }
    return 0;
}

void pe_json_pieces_free(struct pe_json_pieces *pieces)
{
    pe_buf_free(&pieces->text);
    for (size_t i = 0; i < pieces->count; i++)
        pe_buf_free(&pieces->large[i].owned);
    *pieces = (struct pe_json_pieces){0};
}

/* ---- taking ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void use(size_t *work, size_t bytes)
{
    *work -= least(*work, bytes);
}

/* The text up to the next large value, or to its end. */
static int take_text(struct pe_json_pieces *pieces, size_t end, struct pe_buf *out, size_t *work,
                     struct pe_error *err)
{
    const size_t size = least(end - pieces->position, *work);
    if (pe_buf_append(out, pieces->text.data + pieces->position, size, err) < 0)
        return -1;
    pieces->position += size;
    use(work, size);
    return 0;
}

static int begin_large(struct pe_json_pieces *pieces, bool is_text, struct pe_buf *out, struct pe_error *err)
{
    pieces->form = is_text ? PE_JSON_AS_TEXT : PE_JSON_AS_BASE64;
    return pe_buf_append_text(out, is_text ? "\"" : "{\"base64\":\"", err);
}

/* Look at more bytes of a large value. A character that is cut is looked at with what follows. */
static int check_large(struct pe_json_pieces *pieces, struct pe_buf *out, size_t *work, struct pe_error *err)
{
    enum { CHARACTER_MAX = 4 };
    const struct pe_cursor *bytes = &pieces->large[pieces->next].bytes;
    const uint8_t *at = bytes->at + pieces->checked;
    const size_t left = bytes->left - pieces->checked;
    size_t size = least(left, *work < CHARACTER_MAX ? CHARACTER_MAX : *work);
    if (size < left)
        size -= pe_utf8_unfinished_size(at, size);
    use(work, size);
    if (!pe_utf8_valid(at, size))
        return begin_large(pieces, false, out, err);
    pieces->checked += size;
    return pieces->checked == bytes->left ? begin_large(pieces, true, out, err) : 0;
}

static int end_large(struct pe_json_pieces *pieces, struct pe_buf *out, struct pe_error *err)
{
    const char *end = pieces->form == PE_JSON_AS_TEXT ? "\"" : "\"}";
    pe_buf_free(&pieces->large[pieces->next++].owned);
    pieces->form = PE_JSON_UNKNOWN;
    pieces->checked = 0;
    return pe_buf_append_text(out, end, err);
}

static int encode_large(struct pe_json_pieces *pieces, struct pe_buf *out, size_t *work, struct pe_error *err)
{
    struct pe_cursor *bytes = &pieces->large[pieces->next].bytes;
    const size_t before = out->size;
    const size_t most = *work < SIZE_MAX - before ? before + *work : SIZE_MAX;
    if ((pieces->form == PE_JSON_AS_TEXT ? pe_json_append_escaped(out, bytes, most, err)
                                         : pe_json_append_base64(out, bytes, most, err)) < 0)
        return -1;
    use(work, out->size - before);
    return bytes->left ? 0 : end_large(pieces, out, err);
}

int pe_json_pieces_take(struct pe_json_pieces *pieces, struct pe_buf *out, size_t *work, struct pe_error *err)
{
    while (*work && !pe_json_pieces_ended(pieces)) {
        const bool has_large = pieces->next < pieces->count;
        const size_t end = has_large ? pieces->large[pieces->next].at : pieces->text.size;
        int failed = pieces->position < end            ? take_text(pieces, end, out, work, err)
                     : pieces->form == PE_JSON_UNKNOWN ? check_large(pieces, out, work, err)
                                                       : encode_large(pieces, out, work, err);
        if (failed)
            return -1;
    }
    return 0;
}

bool pe_json_pieces_ended(const struct pe_json_pieces *pieces)
{
    return pieces->next == pieces->count && pieces->position == pieces->text.size;
}
