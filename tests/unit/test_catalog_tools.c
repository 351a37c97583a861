/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of images for agents, whatever workers say that they have. */
#include "base/cleanup.h"
#include "lb/mcp/catalog_tools.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/metadata.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MORE "There may be more images"

enum { WORKERS = 140, SAME_IMAGES = 990, PATTERNS = 256 };

static const int owners[WORKERS]; /* addresses that stand for registrations */

/* A worker with these images, a reference to which is taken over. */
static void add_worker(struct scheduler *scheduler, size_t number, json_t *images)
{
    struct pe_error err;
    struct pe_hello hello = {.slots = 1, .images = images};
    snprintf(hello.host, sizeof hello.host, "worker-%zu", number);
    if (scheduler_worker_hello(scheduler, &owners[number], &hello, &err) < 0)
        fail_msg("%s", err.message);
    json_decref(images);
}

static void begin(struct scheduler *scheduler)
{
    const struct queue_limits limits = {.jobs = 1, .bytes = 1};
    scheduler_init(scheduler, &limits);
}

static void end(struct scheduler *scheduler)
{
    for (size_t i = 0; i < WORKERS; i++)
        scheduler_worker_gone(scheduler, &owners[i]);
}

/* Whether the list of images that accept the file (NULL: all) has this text. */
static bool list_has(const struct scheduler *scheduler, const char *file, const char *text)
{
    pe_autojson json_t *arguments = json_pack("{s:s*}", "file", file);
    pe_autojson json_t *answer = mcp_list_images(scheduler, arguments);
    const json_t *content = json_array_get(json_object_get(answer, "content"), 0);
    const char *list = json_string_value(json_object_get(content, "text"));
    assert_non_null(list);
    return strstr(list, text) != NULL;
}

/* An image that accepts many kinds of files. */
static json_t *picky_image(size_t number)
{
    char text[32];
    json_t *commands = json_array();
    for (size_t i = 0; i < PATTERNS; i++) {
        snprintf(text, sizeof text, "*a*a*a*.%zu", i);
        json_array_append_new(commands, json_pack("{s:s}", "files", text));
    }
    snprintf(text, sizeof text, "picky:%zu", number);
    return json_pack("{s:s, s:s, s:o}", "name", text, "digest", DIGEST, "commands", commands);
}

static void all_images_of_a_service_of_ordinary_size_are_listed_once(void **state)
{
    (void)state;
    struct scheduler scheduler;
    begin(&scheduler);
    for (size_t i = 0; i < 20; i++)
        add_worker(&scheduler, i, json_pack("[{s:s, s:s}]", "name", "gcc:14", "digest", DIGEST));
    add_worker(&scheduler, 20, json_pack("[{s:s, s:s}]", "name", "last:1", "digest", DIGEST));
    assert_true(list_has(&scheduler, NULL, "gcc:14\nlast:1\n"));
    assert_false(list_has(&scheduler, NULL, MORE));
    end(&scheduler);
}

/* The same images are listed once, and nothing else bounds how often they are looked at. */
static void equal_images_of_many_workers_are_looked_at_until_that_would_hold_up_others(void **state)
{
    (void)state;
    struct scheduler scheduler;
    begin(&scheduler);
    pe_autojson json_t *images = json_array();
    for (size_t i = 0; i < SAME_IMAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "same:%zu", i);
        json_array_append_new(images, json_pack("{s:s, s:s}", "name", name, "digest", DIGEST));
    }
    for (size_t i = 0; i < WORKERS; i++)
        add_worker(&scheduler, i, json_incref(images));
    assert_true(list_has(&scheduler, NULL, "same:989\n"));
    assert_true(list_has(&scheduler, NULL, MORE));
    end(&scheduler);
}

static void patterns_are_matched_until_that_would_hold_up_others(void **state)
{
    (void)state;
    struct scheduler scheduler;
    char file[PE_PATH_MAX + 1];
    memset(file, 'a', PE_PATH_MAX);
    file[PE_PATH_MAX] = '\0';
    begin(&scheduler);
    for (size_t i = 0; i < 64; i++)
        add_worker(&scheduler, i, json_pack("[o]", picky_image(i)));
    assert_true(list_has(&scheduler, file, MORE));
    assert_false(list_has(&scheduler, "aaa.c", MORE)); /* short names take less time */
    end(&scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_images_of_a_service_of_ordinary_size_are_listed_once),
        cmocka_unit_test(equal_images_of_many_workers_are_looked_at_until_that_would_hold_up_others),
        cmocka_unit_test(patterns_are_matched_until_that_would_hold_up_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
