/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 is read exactly as RFC 4648 has it. */
#include "codec/base64.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

static void the_examples_of_the_rfc_are_decoded(void **state)
{
    static const struct {
        const char *text, *bytes;
    } examples[] = {{"", ""},
                    {"Zg==", "f"},
                    {"Zm8=", "fo"},
                    {"Zm9v", "foo"},
                    {"Zm9vYg==", "foob"},
                    {"Zm9vYmE=", "fooba"},
                    {"Zm9vYmFy", "foobar"},
                    {"/+A=", "\xff\xe0"}};
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct pe_error err;
        size_t length = 0;
        uint8_t *bytes = pe_base64_decode(examples[i].text, strlen(examples[i].text), &length, &err);
        assert_non_null(bytes);
        assert_int_equal(length, strlen(examples[i].bytes));
        assert_memory_equal(bytes, examples[i].bytes, length);
        free(bytes);
    }
}

static void everything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",  "Zg= ",  "====", "=Zg=",     "Z===",      "Zm9v\n",
        "Zh==", "Zm9=", "Zm-_", "Zm9v=", " Zg=", "Zg==Zg==", "\xc3\xa9!!"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct pe_error err = {.kind = 0};
        size_t length = 0;
        assert_null(pe_base64_decode(texts[i], strlen(texts[i]), &length, &err));
        assert_int_equal(err.kind, PE_ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfc_are_decoded),
        cmocka_unit_test(everything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
