/* The JSON reader against the JSON library: they accept the same texts. */
#include "codec/json_reader.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

/* What only the reader refuses: values as deep, numbers as long, or texts with NULs as nobody sends. */
static bool is_own_limit(const char *fault)
{
    return strstr(fault, "too deep") || strstr(fault, "too long") || strstr(fault, "NUL");
}

/* What only the library refuses. */
static bool is_librarys_limit(const json_error_t *where)
{
    enum json_error_code code = json_error_code(where);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_stack_overflow;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size && memchr(bytes, 0, size)) /* to the library, the end */
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
