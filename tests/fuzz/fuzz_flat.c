/* SPDX-License-Identifier: Apache-2.0 */
/* Flat text. What was read is the same after it was written and read again, and a number is what
 * strtoull(3) makes of its text. */
#include "base/cleanup.h"
#include "codec/flat.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static void check_number(const struct pe_flat_entry *entry)
{
    uint64_t value = 0;
    struct pe_flat_number number = {entry->key, UINT32_MAX, &value, false};
    struct pe_error err;
    int got = pe_flat_parse_number(entry, &number, 1, &err);
    errno = 0;
    unsigned long long expected = strtoull(entry->value, NULL, 10);
    HOLDS(got != 0 && number.found);
    HOLDS((got < 0) == (strspn(entry->value, "0123456789") != strlen(entry->value) || !*entry->value ||
                        errno || expected > UINT32_MAX));
    HOLDS(got < 0 || value == expected);
}

/* Read all entries and append them to `out`. Returns how reading ended. */
static int copy(const void *text, size_t size, struct pe_buf *out)
{
    struct pe_cursor rest = {.at = text, .left = size};
    struct pe_flat_entry entry;
    struct pe_error err;
    int got = 0;
    while ((got = pe_flat_next(&rest, &entry, &err)) > 0) {
        check_number(&entry);
        HOLDS(pe_flat_append(out, entry.key, entry.value, &err) == 0);
    }
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf once = {0}, twice = {0};
    int got = copy(bytes, size, &once);
    HOLDS(copy(once.data, once.size, &twice) == 0);
    HOLDS(once.size == twice.size && (!once.size || !memcmp(once.data, twice.data, once.size)));
    HOLDS(got < 0 || (once.size == size && (!size || !memcmp(once.data, bytes, size))));
    return 0;
}
