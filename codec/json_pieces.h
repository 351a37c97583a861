/* SPDX-License-Identifier: Apache-2.0 */
/* JSON with large values, made in pieces: of a megabyte of bytes, JSON can make six, and a program that does
 * other things meanwhile must not do this at once. The text is written with a struct pe_json_writer as
 * always, but large bytes are only noted. They are encoded when the text is taken. */
#ifndef PE_CODEC_JSON_PIECES_H
#define PE_CODEC_JSON_PIECES_H

#include "codec/json_writer.h"

#include <stdbool.h>

enum {
    PE_JSON_LARGE_MAX = 4,         /* values of one text that are not encoded at once */
    PE_JSON_LARGE_SIZE = 4 * 1024, /* values with fewer bytes are */
};

/* A value that was noted. */
struct pe_json_large {
    size_t at;              /* where it belongs in the text */
    struct pe_cursor bytes; /* those that were not taken yet */
    struct pe_buf owned;    /* of pe_json_pieces_own() */
};

/* How the next large value is encoded. */
enum pe_json_large_form { PE_JSON_UNKNOWN, PE_JSON_AS_TEXT, PE_JSON_AS_BASE64 };

/* Zero-initialise it. */
struct pe_json_pieces {
    struct pe_buf text; /* all but the large values */
    struct pe_json_large large[PE_JSON_LARGE_MAX];
    size_t count;
    size_t position, next; /* bytes of the text, and large values, that were taken */
    enum pe_json_large_form form;
    size_t checked; /* bytes of the next large value that are UTF-8 */
};

/* Append bytes as a value: as a string if they are UTF-8, else as {"base64": "…"}. `writer` must write to
 * pieces->text. Large bytes are borrowed until the text was taken. Beyond PE_JSON_LARGE_MAX large values the
 * writer fails with PE_ERR_INTERNAL. */
void pe_json_pieces_append(struct pe_json_pieces *pieces, struct pe_json_writer *writer, const char *name,
                           const struct pe_buf *bytes);

/* Bytes of memory that the text and copies of its large values need. */
size_t pe_json_pieces_bytes(const struct pe_json_pieces *pieces);

/* Copy the large values, so that they are not borrowed any more. PE_ERR_INTERNAL without memory. */
int pe_json_pieces_own(struct pe_json_pieces *pieces, struct pe_error *err) PE_MUST_CHECK;

/* Append what comes next to `out`, until about `*work` bytes were made or looked at, or the text has ended.
 * `*work` is reduced by them. Fails as pe_buf_append does. */
int pe_json_pieces_take(struct pe_json_pieces *pieces, struct pe_buf *out, size_t *work,
                        struct pe_error *err) PE_MUST_CHECK;

/* Whether everything was taken. */
bool pe_json_pieces_ended(const struct pe_json_pieces *pieces);

/* Free what it owns, and zero it. */
void pe_json_pieces_free(struct pe_json_pieces *pieces);
#define pe_autojsonpieces __attribute__((cleanup(pe_json_pieces_free)))

#endif
