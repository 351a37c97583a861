/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the slot protocol. A message that is accepted is JSON for the JSON library as well,
 * and it is the same after it was encoded and decoded again. */
#include "proto/slot.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_json(const uint8_t *bytes, size_t size)
{
    json_error_t where;
    json_t *json = json_loadb((const char *)bytes, size, JSON_ALLOW_NUL, &where);
    HOLDS(json || json_error_code(&where) == json_error_numeric_overflow);
    json_decref(json);
}

static void encode(const struct pe_message *message, struct pe_buf *text)
{
    struct pe_error err;
    HOLDS(pe_message_encode(message, text, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_automessage struct pe_message message;
    pe_automessage struct pe_message again;
    pe_autobuf struct pe_buf text = {0}, text_again = {0};
    struct pe_error err;
    memset(&again, 0, sizeof again);
    if (pe_message_decode(bytes, size, &message, &err) < 0)
        return 0;
    check_json(bytes, size);
    encode(&message, &text);
    if (pe_message_decode(text.data, text.size, &again, &err) < 0) {
        fprintf(stderr, "%s in %.*s\n", err.message, (int)text.size, (char *)text.data);
        abort();
    }
    HOLDS(message.kind == again.kind);
    encode(&again, &text_again);
    /* A reason that was cut within a character is repaired by the first encoding. */
    if (!message.result.reason[0] || message.kind != PE_MESSAGE_RESULT)
        HOLDS(text.size == text_again.size && !memcmp(text.data, text_again.data, text.size));
    return 0;
}
