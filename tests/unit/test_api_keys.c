/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: their form, and how one is found. tests/lb/test_access.py has the file and the balancer. */
#include "lb/core/api_keys.h"
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"

#include <stdio.h>
#include <unistd.h>

static const struct client_limits no_limits;

static void a_key_is_found_by_its_whole_text_and_by_nothing_else(void **state)
{
    (void)state;
    struct pe_error err;
    struct api_keys keys = {0};
    char texts[20][API_KEY_SIZE], name[16];
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "client-%u", i);
        assert_int_equal(api_keys_add(&keys, name, &no_limits, texts[i], &err), 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "client-%u", i);
        const struct api_key *found = api_keys_find(&keys, texts[i], strlen(texts[i]));
        assert_non_null(found);
        assert_string_equal(found->name, name);
        assert_null(api_keys_find(&keys, texts[i], strlen(texts[i]) - 1));
        for (size_t at = 0; at < strlen(texts[i]); at++) {
            char other[API_KEY_SIZE];
            memcpy(other, texts[i], sizeof other);
            other[at] = other[at] == '0' ? '1' : '0';
            assert_null(api_keys_find(&keys, other, strlen(other)));
        }
    }
    assert_int_equal(api_keys_remove(&keys, "client-7", &err), 0);
    assert_null(api_keys_find(&keys, texts[7], strlen(texts[7])));
    assert_non_null(api_keys_find(&keys, texts[8], strlen(texts[8])));
    api_keys_free(&keys);
}

static void no_two_keys_have_the_same_name_and_names_are_plain(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "a b", "a/b", "\xc3\xa4", "a\n"};
    struct pe_error err;
    struct api_keys keys = {0};
    char text[API_KEY_SIZE], wide[80];
    assert_int_equal(api_keys_add(&keys, "a.b-c_d@e", &no_limits, text, &err), 0);
    assert_int_equal(api_keys_add(&keys, "a.b-c_d@e", &no_limits, text, &err), -1);
    assert_error(err, PE_ERR_INVALID, "already");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(api_keys_add(&keys, wrong[i], &no_limits, text, &err), -1);
        assert_error(err, PE_ERR_INVALID, "is not the name of a key");
    }
    memset(wide, 'a', sizeof wide);
    wide[64] = '\0';
    assert_int_equal(api_keys_add(&keys, wide, &no_limits, text, &err), -1);
    wide[63] = '\0';
    assert_int_equal(api_keys_add(&keys, wide, &no_limits, text, &err), 0);
    api_keys_free(&keys);
}

static void a_file_has_all_quotas_or_is_not_written_without_memory(void **state)
{
    (void)state;
    const struct client_limits limits = {.jobs = 4, .rate = 60, .cpu_s = 3600};
    char folder[] = "/tmp/pe-test-keys-XXXXXX", file[64], text[API_KEY_SIZE];
    struct pe_error err;
    struct api_keys keys = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/keys", folder);
    assert_int_equal(api_keys_add(&keys, "first", &limits, text, &err), 0);
    assert_int_equal(api_keys_add(&keys, "second", &limits, text, &err), 0);
    for (size_t n = 0, failed = 1; failed; n++) {
        struct api_keys read = {0};
        starve_json(n);
        int written = api_keys_write(&keys, file, &err);
        failed = feed_json();
        if (written < 0) {
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
            continue;
        }
        if (api_keys_read(&read, file, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(read.count, keys.count);
        for (size_t i = 0; i < read.count; i++) {
            assert_int_equal(read.items[i].limits.rate, limits.rate);
            assert_int_equal(read.items[i].limits.cpu_s, limits.cpu_s);
            assert_int_equal(read.items[i].limits.jobs, limits.jobs);
        }
        api_keys_free(&read);
    }
    api_keys_free(&keys);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_by_its_whole_text_and_by_nothing_else),
        cmocka_unit_test(no_two_keys_have_the_same_name_and_names_are_plain),
        cmocka_unit_test(a_file_has_all_quotas_or_is_not_written_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
