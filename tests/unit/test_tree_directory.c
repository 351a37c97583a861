/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a directory: their order, and what is found after changes in any order. */
#include "image/tree_directory.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MANY 300000u

static void add(struct tree_directory *directory, unsigned number)
{
    struct pe_error err;
    char name[16];
    snprintf(name, sizeof name, "%07u", number);
    struct tree_entry *entry = tree_directory_add(directory, name, &err);
    assert_non_null(entry);
    assert_string_equal(entry->name, name);
    entry->layer = number;
}

static struct tree_entry *find(const struct tree_directory *directory, unsigned number)
{
    char name[16];
    snprintf(name, sizeof name, "%07u", number);
    return tree_directory_find(directory, name);
}

/* Check that a directory has exactly the entries for which `expected` is true, in order. */
static void assert_entries(const struct tree_directory *directory, const bool *expected, unsigned count)
{
    struct tree_place place = {0};
    size_t found = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!expected[i]) {
            assert_null(find(directory, i));
            continue;
        }
        const struct tree_entry *entry = tree_directory_next(directory, &place);
        assert_non_null(entry);
        assert_int_equal(entry->layer, i);
        assert_ptr_equal(entry, find(directory, i));
        found++;
    }
    assert_null(tree_directory_next(directory, &place));
    assert_null(tree_directory_next(directory, &place));
    assert_int_equal(directory->count, found);
}

static void an_empty_directory_has_nothing(void **state)
{
    (void)state;
    struct tree_directory directory = {0};
    assert_entries(&directory, NULL, 0);
    assert_null(tree_directory_find(&directory, "x"));
    tree_directory_clear(&directory);
}

/* With one array per directory, the second one took minutes. */
static void many_entries_are_kept_in_order_however_they_come(void **state)
{
    (void)state;
    static bool all[MANY];
    memset(all, true, sizeof all);
    for (int order = 0; order < 3; order++) {
        struct tree_directory directory = {0};
        for (unsigned i = 0; i < MANY; i++)
            add(&directory, order == 0   ? i
                            : order == 1 ? MANY - 1 - i
                                         : (unsigned)((uint64_t)i * 7919 % MANY));
        assert_entries(&directory, all, MANY);
        for (unsigned i = 0; i < MANY - 1; i++)
            tree_directory_remove(&directory, find(&directory, i));
        assert_int_equal(directory.count, 1);
        assert_int_equal(directory.block_count, 1);
        tree_directory_clear(&directory);
    }
}

static bool is_even(struct tree_entry *entry, void *data)
{
    ++*(size_t *)data;
    return entry->layer % 2 == 0;
}

static void random_changes_leave_what_a_list_says(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static bool expected[COUNT];
    unsigned seed = (unsigned)time(NULL);
    struct tree_directory directory = {0};
    print_message("seed %u\n", seed);
    for (int step = 0; step < 40000; step++) {
        unsigned number = (unsigned)rand_r(&seed) % COUNT;
        struct tree_entry *entry = find(&directory, number);
        assert_int_equal(entry != NULL, expected[number]);
        if (entry)
            tree_directory_remove(&directory, entry);
        else
            add(&directory, number);
        expected[number] = !expected[number];
    }
    assert_entries(&directory, expected, COUNT);
    size_t before = directory.count, asked = 0;
    tree_directory_filter(&directory, is_even, &asked);
    assert_int_equal(asked, before);
    for (unsigned i = 1; i < COUNT; i += 2)
        expected[i] = false;
    assert_entries(&directory, expected, COUNT);
    tree_directory_clear(&directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_directory_has_nothing),
        cmocka_unit_test(many_entries_are_kept_in_order_however_they_come),
        cmocka_unit_test(random_changes_leave_what_a_list_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
