/* SPDX-License-Identifier: Apache-2.0 */
/* What a VMM printed before it ended. The first byte of the input is the size of the buffer for its
 * last words, which are printable and fit into it. */
#include "tests/fuzz/fuzz.h"
#include "worker/vmm/last_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    size_t room = 1 + fuzz_byte(&rest);
    char *text = malloc(room);
    HOLDS(text);
    vmm_last_words((const char *)rest.at, rest.left, text, room);
    HOLDS(strnlen(text, room) < room);
    fuzz_check_printable(text);
    free(text);
    return 0;
}
