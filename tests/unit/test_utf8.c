/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 that was cut. */
#include "base/utf8.h"
#include "tests/unit/check.h"

static void text_that_is_cut_anywhere_is_text_without_its_unfinished_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"a",
                                             "\xc2\x80",
                                             "\xdf\xbf",
                                             "\xe0\xa0\x80",
                                             "\xe2\x82\xac",
                                             "\xed\x9f\xbf",
                                             "\xef\xbf\xbf",
                                             "\xf0\x90\x80\x80",
                                             "\xf0\x9f\x98\x80",
                                             "\xf4\x8f\xbf\xbf"};
    const size_t count = sizeof characters / sizeof *characters;
    for (size_t i = 0; i < count * count; i++) {
        char text[16];
        size_t first = strlen(characters[i / count]), second = strlen(characters[i % count]);
        memcpy(text, characters[i / count], first);
        memcpy(text + first, characters[i % count], second);
        for (size_t cut = 0; cut <= first + second; cut++) {
            size_t whole = cut < first ? 0 : cut < first + second ? first : first + second;
            assert_int_equal(pe_utf8_unfinished_size((uint8_t *)text, cut), cut - whole);
        }
    }
}

static void bytes_that_cannot_become_a_character_are_not_unfinished(void **state)
{
    (void)state;
    static const char *const cases[] = {"",      "\xff",     "\xc0",         "\xc1",         "\x80",
                                        "\xf5",  "\xe0\x9f", "\xed\xa0",     "\xf0\x8f",     "\xf4\x90",
                                        "a\xbf", "\xc3\xa9", "\xa9\xa9\xa9", "\xc3\xa9\xa9", "\xff\xa9\xa9"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pe_utf8_unfinished_size((const uint8_t *)cases[i], strlen(cases[i])), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_is_cut_anywhere_is_text_without_its_unfinished_character),
        cmocka_unit_test(bytes_that_cannot_become_a_character_are_not_unfinished),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
