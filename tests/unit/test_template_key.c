/* SPDX-License-Identifier: Apache-2.0 */
/* Which jobs share a template: those with the same key. What a guest that was taken over while its
 * template was made can harm is what has its key. */
#include "tests/unit/check.h"
#include "worker/template_key.h"
#include "worker/vmm/vmm.h"

#include "proto/job_spec.h"

#include <jansson.h>
#include <stdio.h>

#define ENTRY(digest, fields) "{\"name\":\"a:1\",\"digest\":\"sha256:" digest "\"" fields "}"
#define ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222222222222222222222222222"

/* Stands in for worker/vmm/vmm.c. */
int vm_host_version(const struct vm_host *host, char *text, size_t size, struct pe_error *err)
{
    (void)host, (void)text, (void)size;
    return pe_fail(err, PE_ERR_INTERNAL, "there is no VMM");
}

struct key {
    char text[TEMPLATE_KEY_SIZE];
};

/* The key for an image with this entry, on a worker with this key. */
static struct key key_of(const char *worker, const char *entry)
{
    static const struct worker_config config = {.memory_mib = 64};
    struct key key = {""};
    struct pe_error err;
    pe_autoimage struct pe_image image;
    pe_autojson json_t *json = json_loads(entry, 0, NULL);
    assert_int_equal(pe_image_from_json(json, &image, &err), 0);
    assert_int_equal(template_key(&config, worker, &image, key.text, &err), 0);
    return key;
}

static void an_image_has_the_same_key_again_also_under_another_name(void **state)
{
    (void)state;
    static const char renamed[] = "{\"name\":\"b:2\",\"digest\":\"sha256:" ONE "\"}";
    assert_string_equal(key_of("w", ENTRY(ONE, "")).text, key_of("w", ENTRY(ONE, "")).text);
    assert_string_equal(key_of("w", ENTRY(ONE, "")).text, key_of("w", renamed).text);
}

static void an_image_with_other_bytes_warm_up_or_user_has_another_key(void **state)
{
    (void)state;
    static const char *const entries[] = {
        ENTRY(ONE, ""),
        ENTRY(TWO, ""),
        ENTRY(ONE, ",\"warmup\":[\"a\"]"),
        ENTRY(ONE, ",\"warmup\":[\"b\"]"),
        ENTRY(ONE, ",\"warmup\":[\"a\",\"b\"]"),
        ENTRY(ONE, ",\"warmup\":[\"ab\"]"),
        ENTRY(ONE, ",\"env\":[\"A=1\"]"),
        ENTRY(ONE, ",\"env\":[\"A=2\"]"),
        ENTRY(ONE, ",\"root\":\"part\""),
        ENTRY(ONE, ",\"user\":{\"name\":\"u\",\"uid\":7,\"gid\":7}"),
    };
    enum { COUNT = sizeof entries / sizeof *entries };
    struct key keys[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = key_of("w", entries[i]);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(keys[i].text, keys[j].text))
                fail_msg("%s and %s have the same key", entries[i], entries[j]);
    }
}

static void what_a_worker_is_made_of_is_in_each_key(void **state)
{
    (void)state;
    assert_string_not_equal(key_of("w", ENTRY(ONE, "")).text, key_of("another kernel", ENTRY(ONE, "")).text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_has_the_same_key_again_also_under_another_name),
        cmocka_unit_test(an_image_with_other_bytes_warm_up_or_user_has_another_key),
        cmocka_unit_test(what_a_worker_is_made_of_is_in_each_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
