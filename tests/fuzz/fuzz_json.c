/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON reader and the JSON library accept the same texts. */
#include "codec/json_reader.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

/* Faults that only the reader reports: its limits of nesting and length, and NUL characters. */
static bool is_own_limit(const char *fault)
{
    return strstr(fault, "too deep") || strstr(fault, "too long") || strstr(fault, "NUL");
}

/* Errors that only the library reports. */
static bool is_librarys_limit(const json_error_t *where)
{
    enum json_error_code code = json_error_code(where);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_stack_overflow;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size && memchr(bytes, 0, size)) /* for the library, a NUL ends the text */
        return 0;
    struct pe_json_reader reader = pe_json_read(bytes, size);
    struct pe_error err;
    json_error_t where;
    json_t *json = json_loadb((const char *)bytes, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    pe_json_skip(&reader);
    bool accepted = pe_json_ended(&reader, &err) == 0;
    if (json && !accepted && !is_own_limit(reader.fault)) {
        fprintf(stderr, "refused: %s\n", reader.fault);
        abort();
    }
    if (!json && accepted && !is_librarys_limit(&where)) {
        fprintf(stderr, "accepted, but: %s\n", where.text);
        abort();
    }
    json_decref(json);
    return 0;
}
