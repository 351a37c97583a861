/* UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef PE_CODEC_UTF8_TEXT_H
#define PE_CODEC_UTF8_TEXT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const void *bytes, size_t size);

/* Append the text with U+FFFD in place of every byte that belongs to no valid sequence. */
int utf8_append_repaired(struct pe_buf *out, const void *bytes, size_t size,
                         struct pe_error *err) PE_MUST_CHECK;

#endif
