/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: grammar, matching and suggestions, and that all callers make the same
 * suggestions. */
#include "lb/core/catalog.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "store/store.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void image_references_follow_the_registry_grammar(void **state)
{
    (void)state;
    const char *const good[] = {"gcc", "gcc:14", "lib/gcc:14.2-bookworm", "a_b.c-d:Tag_1", "x@" DIGEST};
    const char *const bad[] = {"",       ":14",  "Gcc",    "gcc:",    "gcc:.x",        "gcc:a b", "-gcc",
                               "a//b:1", "a/:1", "a..b:1", "a@md5:x", "x@sha256:0123", "a:b:c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!pe_image_reference_valid(good[i]))
            fail_msg("'%s' should be valid", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (pe_image_reference_valid(bad[i]))
            fail_msg("'%s' should not be valid", bad[i]);
}

static void a_tag_or_a_digest_selects_the_image(void **state)
{
    (void)state;
    assert_true(pe_image_reference_matches("gcc:14", "gcc:14", DIGEST));
    assert_false(pe_image_reference_matches("gcc:1", "gcc:14", DIGEST));
    assert_true(pe_image_reference_matches("gcc@" DIGEST, "gcc:14", DIGEST));
    assert_false(pe_image_reference_matches("gcc@" DIGEST, "gc:14", DIGEST));
    assert_false(pe_image_reference_matches("gc@" DIGEST, "gcc:14", DIGEST));
    assert_false(pe_image_reference_matches("gcc@" DIGEST, "gcc:14", "sha256:00"));
}

/* ---- suggestions ---- */

static const char *const known[] = {"busybox:1.35", "gcc:13",     "gcc:14",      "gcc:15",     "node:22",
                                    "python:3.11",  "python:3.9", "python:3.12", "library/r:1"};
enum { KNOWN = sizeof known / sizeof *known };

static void suggest(const char *reference, char *text, size_t size)
{
    struct pe_image_suggestions suggestions = {.reference = reference};
    *text = '\0';
    for (size_t i = 0; i < KNOWN; i++)
        pe_image_suggestions_add(&suggestions, known[i]);
    pe_image_suggestions_append(&suggestions, text, size);
}

static void suggested(const char *reference, const char *wanted)
{
    char text[256];
    suggest(reference, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void similar_names_are_suggested_the_most_similar_first(void **state)
{
    (void)state;
    suggested("bosybox:1.35", "; did you mean busybox:1.35?");
    suggested("gcc:16", "; did you mean gcc:13, gcc:14 or gcc:15?");
    suggested("gc:14", "; did you mean gcc:14, gcc:13 or gcc:15?");
    suggested("pyhton:3.11", "; did you mean python:3.11, python:3.12 or python:3.9?");
    suggested("nodejs:22", "; did you mean node:22?");
    suggested("gcc@" DIGEST, "; did you mean gcc:13, gcc:14 or gcc:15?");
}

static void a_name_that_resembles_none_gets_no_suggestion(void **state)
{
    (void)state;
    suggested("rust:1", "");
    suggested("x:latest", "");
    suggested("graphviz:2", "");
}

static void a_name_is_suggested_once_in_whatever_order_names_are_added(void **state)
{
    (void)state;
    struct pe_image_suggestions suggestions = {.reference = "gcc:16"};
    for (size_t i = KNOWN; i-- > 0;) {
        pe_image_suggestions_add(&suggestions, known[i]);
        pe_image_suggestions_add(&suggestions, known[i]);
    }
    char text[256] = "";
    pe_image_suggestions_append(&suggestions, text, sizeof text);
    assert_string_equal(text, "; did you mean gcc:13, gcc:14 or gcc:15?");
}

/* The table of all edits, which is simple, and takes as long as the product of the lengths. */
static unsigned count_edits(const char *a, const char *b)
{
    unsigned table[16][16];
    for (size_t i = 0; i <= strlen(a); i++)
        for (size_t j = 0; j <= strlen(b); j++) {
            unsigned change = i && j ? table[i - 1][j - 1] + (a[i - 1] != b[j - 1]) : 0;
            unsigned remove = i ? table[i - 1][j] + 1 : j ? table[i][j - 1] + 1 : 0;
            unsigned add = j ? table[i][j - 1] + 1 : remove;
            table[i][j] = i && j && change < remove && change < add ? change : remove < add ? remove : add;
        }
    return table[strlen(a)][strlen(b)];
}

static void make_name(char *name, unsigned long number)
{
    size_t length = 1 + number % 12;
    for (size_t i = 0; i < length; i++, number /= 3)
        name[i] = "abc"[number % 3];
    name[length] = '\0';
}

static void edits_are_counted_up_to_their_limit_as_in_the_whole_table(void **state)
{
    (void)state;
    enum { NAME_EDITS = 4 }; /* at most, and half of the length */
    srand(1);
    for (int i = 0; i < 20000; i++) {
        char reference[16], name[16];
        make_name(reference, (unsigned long)rand());
        make_name(name, (unsigned long)rand());
        struct pe_image_suggestions suggestions = {.reference = reference};
        pe_image_suggestions_add(&suggestions, name);
        size_t half = strlen(reference) < 2 ? 1 : strlen(reference) / 2;
        unsigned edits = count_edits(reference, name);
        assert_int_equal(suggestions.count, edits <= half && edits <= NAME_EDITS);
        if (suggestions.count)
            assert_int_equal(suggestions.items[0].name_edits, edits);
    }
}

static void add_to_catalog(json_t *entries, const char *name)
{
    json_array_append_new(entries, json_pack("{s:s, s:s}", "name", name, "digest", DIGEST));
}

static void the_store_and_the_catalog_suggest_the_same(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_image items[KNOWN] = {0};
    pe_autojson json_t *entries = json_array();
    for (size_t i = 0; i < KNOWN; i++) {
        items[i] = (struct pe_image){.name = (char *)known[i], .digest = (char *)DIGEST};
        add_to_catalog(entries, known[KNOWN - 1 - i]);
    }
    struct catalog catalog;
    assert_int_equal(catalog_load(&catalog, entries, &err), 0);
    static const char *const references[] = {"bosybox:1", "gcc:16", "pyhton:3.1", "node:20", "rust:1"};
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        struct pe_image_suggestions suggestions = {.reference = references[i]};
        char text[256] = "";
        catalog_suggest(&catalog, &suggestions);
        pe_image_suggestions_append(&suggestions, text, sizeof text);
        const struct pe_store_images images = {.items = items, .count = KNOWN};
        assert_null(pe_store_find(&images, references[i], &err));
        assert_error(err, PE_ERR_NOT_FOUND, text);
    }
    catalog_free(&catalog);
}

static void a_catalog_finds_what_a_reference_means(void **state)
{
    (void)state;
    static const char digits[] = "abc";
    struct pe_error err;
    char digest[72], reference[128];
    for (int round = 0; round < 200; round++) {
        pe_autojson json_t *entries = json_array();
        for (int i = 0; i < 60; i++) {
            char name[32];
            make_name(name, (unsigned long)rand());
            strcpy(name + (strlen(name) > 2 ? 2 : 1), rand() % 2 ? "-x:1" : rand() % 2 ? ":2" : ":3");
            snprintf(digest, sizeof digest, "sha256:%064d%c", 0, digits[rand() % 3]);
            json_array_append_new(entries, json_pack("{s:s, s:s}", "name", name, "digest", digest));
        }
        struct catalog catalog;
        assert_int_equal(catalog_load(&catalog, entries, &err), 0);
        for (size_t i = 0; i < catalog.count; i++) {
            const char *name = catalog.entries[rand() % 60].name;
            snprintf(digest, sizeof digest, "sha256:%064d%c", 0, digits[rand() % 3]);
            snprintf(reference, sizeof reference, "%.*s@%s", (int)strcspn(name, ":"), name, digest);
            const struct catalog_entry *wanted = NULL, *found = catalog_find(&catalog, reference);
            for (size_t k = catalog.count; k-- > 0;)
                if (pe_image_reference_matches(reference, catalog.entries[k].name, catalog.entries[k].digest))
                    wanted = &catalog.entries[k];
            assert_int_equal(found != NULL, wanted != NULL);
            if (wanted)
                assert_string_equal(found->name, wanted->name);
            assert_string_equal(catalog_find(&catalog, name)->name, name);
        }
        catalog_free(&catalog);
    }
}

/* Returns how many names are considered that consist of `begin` and a number. */
static size_t count_considered(const char *reference, const char *begin)
{
    enum { MANY = 2000000 };
    struct pe_image_suggestions suggestions = {.reference = reference};
    char name[PE_IMAGE_NAME_MAX + 1];
    size_t count = 0;
    while (count < MANY && !pe_image_suggestions_are_done(&suggestions)) {
        snprintf(name, sizeof name, "%s%03zu", begin, count++ % 1000);
        pe_image_suggestions_add(&suggestions, name);
        suggestions.count = 0; /* they point to `name` */
    }
    return count;
}

/* The names of millions of images may be known, and made so that comparing them takes long. */
static void names_are_compared_until_that_would_hold_up_others(void **state)
{
    (void)state;
    char reference[PE_IMAGE_NAME_MAX + 1], begin[PE_IMAGE_NAME_MAX + 1];
    snprintf(reference, sizeof reference, "%0120d:%0120d", 0, 0);
    snprintf(begin, sizeof begin, "%0120d:%0117d", 0, 0);
    assert_in_range(count_considered(reference, begin), 100, 1000);
    assert_in_range(count_considered("gcc:16", "gdb:"), 5000, 50000);
    assert_in_range(count_considered("gcc:16", "imagemagick:"), 5000, 50000);
}

static void a_text_without_room_is_cut(void **state)
{
    (void)state;
    struct pe_image_suggestions suggestions = {.reference = "gcc:16"};
    char text[20] = "none";
    pe_image_suggestions_add(&suggestions, "gcc:13");
    pe_image_suggestions_append(&suggestions, text, sizeof text);
    assert_string_equal(text, "none; did you mean ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_references_follow_the_registry_grammar),
        cmocka_unit_test(a_tag_or_a_digest_selects_the_image),
        cmocka_unit_test(similar_names_are_suggested_the_most_similar_first),
        cmocka_unit_test(a_name_that_resembles_none_gets_no_suggestion),
        cmocka_unit_test(a_name_is_suggested_once_in_whatever_order_names_are_added),
        cmocka_unit_test(edits_are_counted_up_to_their_limit_as_in_the_whole_table),
        cmocka_unit_test(the_store_and_the_catalog_suggest_the_same),
        cmocka_unit_test(a_catalog_finds_what_a_reference_means),
        cmocka_unit_test(names_are_compared_until_that_would_hold_up_others),
        cmocka_unit_test(a_text_without_room_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
