/* SPDX-License-Identifier: Apache-2.0 */
/* Reading base64 (RFC 4648 section 4). codec/json_text.h writes it. */
#ifndef PE_CODEC_BASE64_H
#define PE_CODEC_BASE64_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Decode a text into new memory, which the caller frees; `*length` is its number of bytes. Only the
 * form that the RFC calls canonical is accepted: the alphabet with + and /, padding up to a multiple of
 * four characters, and nothing else, no line breaks either. Returns NULL on failure: PE_ERR_INVALID for a
 * text that is not base64, PE_ERR_INTERNAL without memory. */
uint8_t *pe_base64_decode(const char *text, size_t size, size_t *length, struct pe_error *err) PE_MUST_CHECK;

#endif
