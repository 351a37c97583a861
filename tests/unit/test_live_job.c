/* SPDX-License-Identifier: Apache-2.0 */
/* What pe-run keeps of the events of a job: the bytes of its files, and nothing that a server adds to them.
 */
#include "cli/live_job.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

/* ---- counting what jansson holds ---- */

static size_t held; /* pieces of memory */

static void *counting_malloc(size_t size)
{
    void *memory = malloc(size);
    held += memory != NULL;
    return memory;
}

static void counting_free(void *memory)
{
    held -= memory != NULL;
    free(memory);
}

static int count_memory(void **state)
{
    (void)state;
    held = 0;
    json_set_alloc_funcs(counting_malloc, counting_free);
    return 0;
}

static int count_no_more(void **state)
{
    (void)state;
    json_set_alloc_funcs(malloc, free);
    return 0;
}

/* ---- tests ---- */

static void take(struct live_job *job, const char *text)
{
    struct pe_error err = {0};
    if (live_job_take(job, text, strlen(text), &err) < 0)
        fail_msg("%s", err.message);
}

static void assert_bytes(const struct response_file *file, const char *name, const char *bytes, size_t size)
{
    assert_string_equal(file->path.text, name);
    assert_int_equal(file->bytes.size, size);
    assert_memory_equal(file->bytes.data, bytes, size);
}

static void of_files_and_folders_only_the_bytes_are_kept(void **state)
{
    (void)state;
    struct progress progress = {0};
    autolivejob struct live_job job;
    live_job_init(&job, false, &progress);
    take(&job, "{\"type\": \"file\", \"name\": \"a\", \"text\": \"one\\u0000two\", \"mode\": \"755\", "
               "\"more\": [{\"deep\": [1, 2, 3]}, \"and a long text\"]}");
    take(&job, "{\"type\": \"file\", \"name\": \"b\", \"base64\": \"dGhyZWU=\", \"more\": [[]]}");
    take(&job, "{\"type\": \"file\", \"name\": \"c\", \"text\": \"\", \"base64\": [[], [], {}]}");
    take(&job, "{\"type\": \"folder\", \"name\": \"d\", \"more\": {\"text\": \"of a folder\"}}");
    assert_int_equal(held, 0);
    assert_int_equal(job.response.files.count, 3);
    assert_bytes(&job.response.files.items[0], "a", "one\0two", 7);
    assert_true(job.response.files.items[0].is_executable);
    assert_bytes(&job.response.files.items[1], "b", "three", 5);
    assert_bytes(&job.response.files.items[2], "c", "", 0);
    assert_int_equal(job.response.folders.count, 1);
    assert_string_equal(job.response.folders.items[0].path.text, "d");
}

static void of_other_events_nothing_is_kept(void **state)
{
    (void)state;
    struct progress progress = {0};
    autolivejob struct live_job job;
    live_job_init(&job, true, &progress); /* output that is printed at the end is not kept before */
    take(&job, "{\"type\": \"queued\", \"id\": \"0\", \"more\": [[], {}]}");
    take(&job, "{\"type\": \"started\", \"input_window\": 100, \"more\": [[], {}]}");
    take(&job, "{\"type\": \"taken\", \"bytes\": 3, \"more\": [[], {}]}");
    assert_int_equal(job.input_taken, 3);
    take(&job, "{\"type\": \"restarted\", \"reason\": \"lost\", \"more\": [[], {}]}");
    take(&job, "{\"type\": \"stdout\", \"text\": \"out\", \"more\": [[], {}]}");
    take(&job, "{\"type\": \"one of a later version\", \"more\": [[], {}]}");
    assert_int_equal(held, 0);
    assert_int_equal(job.response.standard_output.size, 3);
}

static void a_job_that_starts_again_forgets_its_files(void **state)
{
    (void)state;
    struct progress progress = {0};
    autolivejob struct live_job job;
    live_job_init(&job, false, &progress);
    take(&job, "{\"type\": \"file\", \"name\": \"a\", \"text\": \"old\"}");
    take(&job, "{\"type\": \"restarted\"}");
    take(&job, "{\"type\": \"file\", \"name\": \"a\", \"text\": \"new\"}");
    assert_int_equal(job.response.files.count, 1);
    assert_bytes(&job.response.files.items[0], "a", "new", 3);
    assert_int_equal(job.files.bytes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_files_and_folders_only_the_bytes_are_kept, count_memory,
                                        count_no_more),
        cmocka_unit_test_setup_teardown(of_other_events_nothing_is_kept, count_memory, count_no_more),
        cmocka_unit_test(a_job_that_starts_again_forgets_its_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
