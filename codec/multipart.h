/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data (RFC 7578, RFC 2046 section 5.1) in memory: a parser for untrusted bodies,
 * which does not copy the content, and the parts of a writer. */
#ifndef PE_CODEC_MULTIPART_H
#define PE_CODEC_MULTIPART_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_BOUNDARY_MAX 70u /* bytes, RFC 2046 section 5.1.1 */

struct pe_form_part {
    char name[64]; /* of Content-Disposition */
    /* Of the parameter `filename*`, which is exact; if there is none, of `filename`, with `\"`, `\\`
     * and %22 decoded. Any byte but NUL. */
    char filename[1200];
    size_t filename_length; /* bytes; 0 if has_filename is false */
    bool has_filename;
    char content_type[128]; /* empty if the part has none */
    const uint8_t *data;    /* in the body given to pe_form_init */
    size_t size;            /* bytes */
};

struct pe_form {
    struct pe_cursor rest;
    char delimiter[PE_BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
    size_t delimiter_size;
    bool ended;
};

/* Begin with the value of a Content-Type header and a body, which must outlive the form.
 * PE_ERR_MALFORMED if the type is not multipart/form-data with a boundary, or if no line of the body
 * begins with the boundary. */
int pe_form_init(struct pe_form *form, const char *content_type, size_t content_type_size, const void *body,
                 size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Read the next part. Returns 1 if there is one and 0 after the closing delimiter. PE_ERR_MALFORMED
 * if the body is cut or does not have the right form. PE_ERR_INVALID if a file name has a NUL byte or
 * more than 1,199 bytes; if such a long name comes from `filename*`, PE_ERR_TOO_LARGE. */
int pe_form_next(struct pe_form *form, struct pe_form_part *part, struct pe_error *err) PE_MUST_CHECK;

/* Append the header Content-Disposition of a part, without a line end. `filename` may be NULL. It is
 * written as browsers write it (WHATWG HTML, "multipart/form-data encoding algorithm"), which is not
 * exact for a name with `"`, `\`, `%` or a control character. Such a name is also written as
 * `filename*` (RFC 8187). RFC 7578 section 4.2 advises against this parameter, because readers may
 * ignore it; but no other form is exact, and such readers still have `filename`. Fails as pe_buf_append
 * does, as the next two do. */
int pe_form_append_disposition(struct pe_buf *out, const char *name, const char *filename,
                               size_t filename_length, struct pe_error *err) PE_MUST_CHECK;

/* Append the head of a part: delimiter line, Content-Disposition, Content-Type and the empty line.
 * The bytes of the part follow. */
int pe_form_append_head(struct pe_buf *out, const char *boundary, const char *name, const char *filename,
                        size_t filename_length, const char *content_type, struct pe_error *err) PE_MUST_CHECK;

/* Append the closing delimiter line. The caller appends CRLF after the bytes of every part, also
 * the last one. */
int pe_form_append_end(struct pe_buf *out, const char *boundary, struct pe_error *err) PE_MUST_CHECK;

#endif
