/* SPDX-License-Identifier: Apache-2.0 */
/* Values of members in the JSON of a job, with the checks that all of them have in common. The functions
 * return 0 after a fault of the reader, which keeps it until the end; what they say about a value is
 * PE_ERR_INVALID and names the member. Without memory, they fail with PE_ERR_INTERNAL, or the reader has a
 * fault. Lists of texts end with NULL and belong to the caller, who frees them with pe_field_free_texts(),
 * also after a failure. */
#ifndef PE_PROTO_JOB_FIELDS_H
#define PE_PROTO_JOB_FIELDS_H

#include "base/error.h"
#include "codec/json_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the reader reports if a member occurs a second time. */
#define PE_FIELD_TWICE "a member occurs twice"

/* Fail with PE_ERR_INVALID: "field 'FIELD' WHAT". Returns -1. */
int pe_field_invalid(struct pe_error *err, const char *field, const char *what);

/* True if the next value exists but has the wrong type: its first byte is none of `first_bytes`. */
bool pe_field_is_other(struct pe_json_reader *json, const char *first_bytes);

/* A string of at most `max` bytes without NUL. The caller frees it, also after a failure; NULL after a
 * fault. */
int pe_field_parse_text(struct pe_json_reader *json, const char *field, size_t max, char **out,
                        struct pe_error *err) PE_MUST_CHECK;

/* An array of at most `most` such strings. `*out` is never NULL after a success. */
int pe_field_parse_texts(struct pe_json_reader *json, const char *field, size_t most, size_t max, char ***out,
                         size_t *count, struct pe_error *err) PE_MUST_CHECK;

/* The member `env`: an object of strings, as a list of "NAME=value". */
int pe_field_parse_env(struct pe_json_reader *json, char ***out, size_t *count,
                       struct pe_error *err) PE_MUST_CHECK;

/* A whole number of `unit`. What is below 0 or does not fit is UINT32_MAX. */
int pe_field_parse_any_whole(struct pe_json_reader *json, const char *field, const char *unit,
                             uint32_t *value, struct pe_error *err) PE_MUST_CHECK;

/* A whole number of `unit`, from `least` to `most`, which is below UINT32_MAX. */
int pe_field_parse_whole(struct pe_json_reader *json, const char *field, const char *unit, uint32_t least,
                         uint32_t most, uint32_t *value, struct pe_error *err) PE_MUST_CHECK;

/* Bytes: a string, or {"base64": "…"}. The caller frees `*bytes`; NULL after a fault or a failure. `what`
 * names them in errors, as "file 'a'". */
int pe_field_parse_bytes(struct pe_json_reader *json, const char *what, uint8_t **bytes, size_t *size,
                         struct pe_error *err) PE_MUST_CHECK;

/* Free a list of texts that ends with NULL. NULL is allowed. */
void pe_field_free_texts(char **texts, size_t count);

#endif
