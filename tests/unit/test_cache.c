/* SPDX-License-Identifier: Apache-2.0 */
/* Results in memory, and the isolation with which they were made. */
#include "lb/core/cache.h"
#include "tests/unit/check.h"

#include <string.h>
#include <time.h>

#define ENTRY "sha256 of a catalog entry"

static size_t account;

static struct job_key key_of(const char *json)
{
    struct submission submission = {0};
    struct job_key key;
    struct pe_error err;
    assert_int_equal(pe_job_spec_decode(json, strlen(json), &submission.spec, &err), 0);
    assert_int_equal(job_key_make(&submission, ENTRY, &key, &err), 0);
    submission_free(&submission);
    return key;
}

static const struct job_key key = {{1}}, body = {{2}};

static void put(struct cache *cache, enum pe_isolation isolation)
{
    struct pe_error err;
    struct pe_parts parts = {0};
    const struct pe_result fields = {.status = PE_STATUS_EXITED, .isolation = isolation};
    assert_int_equal(pe_parts_add(&parts, PE_PART_STDOUT, NULL, 0, 0, &err), 0);
    struct job_result *result = job_result_new(&account, &fields, &parts, &err);
    assert_non_null(result);
    result->stored_at = time(NULL);
    cache_put(cache, &key, result);
    job_result_unref(result);
}

static void check_found(struct cache *cache, const char *demand, bool found)
{
    struct pe_isolation_set set = {0};
    struct pe_error err;
    if (*demand)
        assert_int_equal(pe_isolation_set_parse(demand, &set, &err), 0);
    struct job_result *result = cache_find(cache, &key, set);
    if (found != (result != NULL))
        fail_msg("demand '%s': %s", demand, found ? "nothing was found" : "a result was found");
}

static void end(struct cache *cache)
{
    cache->bytes_max = 0;
    put(cache, PE_ISOLATION_UNKNOWN); /* it does not fit, and replaces the last one */
    assert_int_equal(cache->count, 0);
    assert_int_equal(account, 0);
}

static void a_job_has_the_same_key_whatever_isolation_it_demands(void **state)
{
    (void)state;
    struct job_key plain = key_of("{\"image\":\"a\"}");
    struct job_key demanding = key_of("{\"image\":\"a\",\"isolation\":\"hardware\"}");
    struct job_key other = key_of("{\"image\":\"a\",\"cmd\":[\"ls\"],\"isolation\":\"hardware\"}");
    assert_int_equal(job_key_compare(&plain, &demanding), 0);
    assert_int_not_equal(job_key_compare(&plain, &other), 0);
}

static void a_result_answers_a_job_if_the_job_accepts_its_isolation(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 1 << 20);
    put(&cache, PE_ISOLATION_KERNEL);
    check_found(&cache, "", true);
    check_found(&cache, "kernel", true);
    check_found(&cache, "hardware,kernel", true);
    check_found(&cache, "hardware", false);
    check_found(&cache, "hardware,emulation", false);
    assert_int_equal(cache.hits, 3);
    assert_int_equal(cache.misses, 2);
    put(&cache, PE_ISOLATION_HARDWARE); /* of the job that was not answered */
    check_found(&cache, "hardware", true);
    check_found(&cache, "", true);
    end(&cache);
}

static void a_result_of_unknown_isolation_answers_only_jobs_without_a_demand(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, 1 << 20);
    put(&cache, PE_ISOLATION_UNKNOWN);
    check_found(&cache, "", true);
    check_found(&cache, "hardware,kernel,emulation", false);
    end(&cache);
}

static void a_body_finds_only_the_result_that_has_answered_it(void **state)
{
    (void)state;
    struct cache cache;
    struct job_key found_key;
    struct body_request request = {
        .image = "a:latest", .identity = ENTRY, .demand = pe_isolation_set_of(PE_ISOLATION_HARDWARE)};
    cache_init(&cache, 1 << 20);
    put(&cache, PE_ISOLATION_HARDWARE);
    cache_note_body(&cache, &key, &body, &request);
    request = (struct body_request){0};
    assert_non_null(cache_find_by_body(&cache, &body, &found_key, &request));
    assert_string_equal(request.image, "a:latest");
    assert_string_equal(request.identity, ENTRY);
    assert_true(pe_isolation_set_has(request.demand, PE_ISOLATION_HARDWARE));
    put(&cache, PE_ISOLATION_EMULATION);
    assert_null(cache_find_by_body(&cache, &body, &found_key, &request));
    end(&cache);
}

static void a_result_that_is_too_old_answers_no_job_and_is_removed(void **state)
{
    (void)state;
    struct cache cache;
    struct job_key found_key;
    struct body_request request = {.image = "a:latest", .identity = ENTRY};
    cache_init(&cache, 1 << 20);
    cache.age_max_s = 60;
    for (int way = 0; way < 3; way++) {
        put(&cache, PE_ISOLATION_KERNEL);
        struct job_result *result = cache_find(&cache, &key, request.demand);
        assert_non_null(result);
        cache_note_body(&cache, &key, &body, &request);
        result->stored_at -= 62;
        if (way == 0)
            check_found(&cache, "", false);
        else if (way == 1)
            assert_null(cache_find_by_body(&cache, &body, &found_key, &request));
        request = (struct body_request){.image = "a:latest", .identity = ENTRY};
        cache_expire(&cache);
        assert_int_equal(cache.count, 0);
    }
    assert_int_equal(account, 0);
}

static void the_stored_form_of_a_result_keeps_its_isolation(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf bytes = {0};
    struct job_result *made = job_result_vm_error(&account, "a:latest", "", "a test", &err);
    assert_non_null(made);
    made->fields.isolation = PE_ISOLATION_KERNEL;
    assert_int_equal(job_result_encode(made, &key, &bytes, &err), 0);
    struct job_result *read = job_result_decode(&account, &key, bytes.data, bytes.size, &err);
    assert_non_null(read);
    assert_int_equal(read->fields.isolation, PE_ISOLATION_KERNEL);
    job_result_unref(made);
    job_result_unref(read);
    assert_int_equal(account, 0);
}

/* A result with parts of these kinds and one byte each, as it is stored. */
static void store_parts(const enum pe_part_kind *kinds, size_t count, struct pe_buf *bytes)
{
    struct pe_error err;
    const struct pe_result fields = {.status = PE_STATUS_EXITED, .image = "a:latest"};
    const struct pe_path path = {.text = "f", .length = 1};
    struct pe_parts parts = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pe_parts_add(&parts, kinds[i], kinds[i] == PE_PART_FILE ? &path : NULL, 1, 0, &err),
                         0);
    struct job_result *made = job_result_new(&account, &fields, &parts, &err);
    assert_non_null(made);
    assert_int_equal(job_result_append(made, "abcdef", count, &err), 0);
    made->stored_at = 1000;
    assert_int_equal(job_result_encode(made, &key, bytes, &err), 0);
    job_result_unref(made);
}

static bool is_accepted(const struct pe_buf *bytes, const struct job_key *stored_for)
{
    struct pe_error err;
    struct job_result *read = job_result_decode(&account, stored_for, bytes->data, bytes->size, &err);
    bool accepted = read != NULL;
    if (!accepted)
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
    job_result_unref(read);
    return accepted;
}

static void a_stored_result_of_another_job_is_refused(void **state)
{
    static const enum pe_part_kind kinds[] = {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_FILE};
    pe_autobuf struct pe_buf bytes = {0};
    (void)state;
    store_parts(kinds, 3, &bytes);
    assert_true(is_accepted(&bytes, &key));
    assert_false(is_accepted(&bytes, &body));
}

/* Also the time at which it was stored: it decides how long a result is kept. */
static void a_stored_result_in_which_any_byte_was_changed_is_refused(void **state)
{
    static const enum pe_part_kind kinds[] = {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_FILE};
    pe_autobuf struct pe_buf bytes = {0};
    (void)state;
    store_parts(kinds, 3, &bytes);
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 1;
        assert_false(is_accepted(&bytes, &key));
        bytes.data[i] ^= 1;
    }
    while (bytes.size) {
        bytes.size--;
        assert_false(is_accepted(&bytes, &key));
    }
}

static void stored_parts_in_another_order_or_twice_are_refused(void **state)
{
    static const enum pe_part_kind wrong[][4] = {
        {PE_PART_STDERR, PE_PART_STDOUT, PE_PART_FILE, PE_PART_FILE},
        {PE_PART_FILE, PE_PART_STDOUT, PE_PART_STDERR, PE_PART_FILE},
        {PE_PART_STDOUT, PE_PART_FILE, PE_PART_STDERR, PE_PART_FILE},
        {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_STDOUT, PE_PART_FILE},
        {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_FILE, PE_PART_STDERR},
        {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_FILE, PE_PART_COMBINED},
        {PE_PART_STDOUT, PE_PART_STDOUT, PE_PART_FILE, PE_PART_FILE}};
    static const enum pe_part_kind right[] = {PE_PART_STDOUT, PE_PART_STDERR, PE_PART_COMBINED, PE_PART_FILE};
    (void)state;
    for (size_t i = 0; i <= sizeof wrong / sizeof *wrong; i++) {
        pe_autobuf struct pe_buf bytes = {0};
        bool is_right = i == sizeof wrong / sizeof *wrong;
        store_parts(is_right ? right : wrong[i], 4, &bytes);
        assert_int_equal(is_accepted(&bytes, &key), is_right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_has_the_same_key_whatever_isolation_it_demands),
        cmocka_unit_test(a_result_answers_a_job_if_the_job_accepts_its_isolation),
        cmocka_unit_test(a_result_of_unknown_isolation_answers_only_jobs_without_a_demand),
        cmocka_unit_test(a_body_finds_only_the_result_that_has_answered_it),
        cmocka_unit_test(a_result_that_is_too_old_answers_no_job_and_is_removed),
        cmocka_unit_test(the_stored_form_of_a_result_keeps_its_isolation),
        cmocka_unit_test(a_stored_result_of_another_job_is_refused),
        cmocka_unit_test(a_stored_result_in_which_any_byte_was_changed_is_refused),
        cmocka_unit_test(stored_parts_in_another_order_or_twice_are_refused),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
