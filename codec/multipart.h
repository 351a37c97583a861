/* multipart/form-data (RFC 7578, RFC 2046 section 5.1) over bytes already in memory: pe-lb reads requests
 * with it, pe-run reads responses. Parsing copies nothing and trusts nothing. */
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
    char
        filename[1200]; /* decoded (%22, %0D, %0A as browsers send them); may hold any byte but is NUL-free */
    size_t filename_length; /* bytes; 0 with has_filename false when there was none */
    bool has_filename;
    char content_type[128]; /* empty when there was none */
    const uint8_t *data;    /* into the body given to pe_form_init */
    size_t size;            /* bytes */
};

struct pe_form {
    struct pe_cursor rest;
    char delimiter[PE_BOUNDARY_MAX + 5]; /* CRLF "--" boundary */
    size_t delimiter_size;
    bool ended;
};

/* Begin with a Content-Type header's value and a body that outlives the form. PE_ERR_MALFORMED when the type
 * is not multipart/form-data with a boundary, or the body does not start with it. */
int pe_form_init(struct pe_form *form, const char *content_type, size_t content_type_size, const void *body,
                 size_t size, struct pe_error *err) PE_MUST_CHECK;

/* The next part: 1, or 0 after the closing delimiter. PE_ERR_MALFORMED otherwise (a body cut short included).
 * A filename with a NUL byte or of over 1,199 bytes is PE_ERR_INVALID. */
int pe_form_next(struct pe_form *form, struct pe_form_part *part, struct pe_error *err) PE_MUST_CHECK;

/* Append the head of a part, up to where its bytes start: delimiter line, Content-Disposition, Content-Type.
 * `filename` (NULL for none) is escaped as WHATWG HTML's multipart encoding does. */
int pe_form_append_head(struct pe_buf *out, const char *boundary, const char *name, const char *filename,
                        size_t filename_length, const char *content_type, struct pe_error *err) PE_MUST_CHECK;

/* Append the closing delimiter line. The caller has put CRLF after the bytes of every part, the last
 * included. */
int pe_form_append_end(struct pe_buf *out, const char *boundary, struct pe_error *err) PE_MUST_CHECK;

#endif
