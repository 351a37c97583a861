/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a job: which ones there are in which order, and that they are made in small pieces. */
#include "lb/api/event_encoder.h"

#include "base/cleanup.h"
#include "tests/unit/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { BEYOND = 4096 };

static const size_t none_in_cache;
static struct byte_budget budget;

/* Text with characters of one to four bytes. */
static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n";
enum { TEXT_SIZE = sizeof text - 1 };

static int set_up(void **state)
{
    (void)state;
    byte_budget_init(&budget, 1 << 20, &none_in_cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(budget.used, 0);
    return 0;
}

/* A result with this stdout and a file. The caller appends the bytes. */
static struct job_result *make_result(size_t stdout_size, size_t file_size)
{
    struct pe_error err;
    const struct pe_result fields = {.status = PE_STATUS_EXITED, .image = "gcc:14"};
    struct pe_parts parts = {0};
    struct pe_path path;
    assert_int_equal(pe_path_parse("f", 1, 0, &path, &err), 0);
    assert_int_equal(pe_parts_add(&parts, PE_PART_STDOUT, NULL, stdout_size, 0, &err), 0);
    assert_int_equal(pe_parts_add(&parts, PE_PART_STDERR, NULL, 0, 0, &err), 0);
    assert_int_equal(pe_parts_add(&parts, PE_PART_FILE, &path, file_size, 0644, &err), 0);
    struct job_result *result = job_result_new(&budget.used, &fields, &parts, &err);
    assert_non_null(result);
    return result;
}

static void complete(struct job_result *result, const void *out, size_t out_size, const void *file,
                     size_t file_size)
{
    struct pe_error err;
    assert_int_equal(job_result_append(result, out, out_size, &err), 0);
    assert_int_equal(job_result_append(result, file, file_size, &err), 0);
    assert_int_equal(job_result_finish(result, &err), 0);
}

/* Take what the encoder has, as lines. */
static void take(struct event_encoder *encoder, struct pe_buf *lines, size_t room)
{
    struct pe_error err;
    do {
        encoder->out.size = 0;
        assert_int_equal(event_encoder_fill(encoder, room, &err), 0);
        assert_true(encoder->out.size <= room + BEYOND + 6 * 32768);
        assert_int_equal(pe_buf_append(lines, encoder->out.data, encoder->out.size, &err), 0);
    } while (encoder->out.size && !encoder->ended);
}

/* Parse lines. The caller drops the array. */
static json_t *parse(const struct pe_buf *lines)
{
    json_t *events = json_array();
    struct pe_cursor rest = {.at = lines->data, .left = lines->size};
    size_t size = 0;
    for (const uint8_t *line = NULL; rest.left;
         json_array_append_new(events, json_loadb((const char *)line, size, JSON_ALLOW_NUL, NULL)))
        assert_non_null(line = pe_cursor_read_until(&rest, '\n', &size));
    return events;
}

static const char *kind_of(const json_t *events, size_t at)
{
    const char *kind = json_string_value(json_object_get(json_array_get(events, at), "type"));
    return kind ? kind : "none";
}

static void check_kinds(const json_t *events, const char *const *kinds, size_t count)
{
    assert_int_equal(json_array_size(events), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(kind_of(events, i), kinds[i]);
}

static void a_result_gives_the_same_events_in_pieces_of_any_size(void **state)
{
    static const char *const kinds[] = {"queued", "started", "stdout", "file", "result"};
    (void)state;
    for (size_t room = 1; room < 300; room++) {
        struct event_encoder encoder;
        pe_autobuf struct pe_buf lines = {0};
        struct job_result *result = make_result(TEXT_SIZE, 3);
        complete(result, text, TEXT_SIZE, "\xff\n\"", 3);
        event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
        event_encoder_set_result(&encoder, result, &result->fields);
        take(&encoder, &lines, room);
        assert_true(encoder.ended);
        pe_autojson json_t *events = parse(&lines);
        check_kinds(events, kinds, 5);
        assert_string_equal(json_string_value(json_object_get(json_array_get(events, 2), "text")), text);
        assert_string_equal(json_string_value(json_object_get(json_array_get(events, 3), "base64")), "/woi");
        job_result_unref(result);
        event_encoder_free(&encoder);
    }
}

/* Whatever the cuts between messages are, no character is cut, and nothing is missing. */
static void the_first_stage_or_case_that_is_told_means_that_the_job_has_started(void **state)
{
    static const char *const kinds[] = {"queued", "started", "case"};
    (void)state;
    struct event_encoder encoder;
    struct pe_error err;
    pe_autobuf struct pe_buf lines = {0};
    struct pe_json_pieces event = {0};
    struct pe_json_writer writer = pe_json_write(&event.text, &err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "case");
    pe_json_close(&writer, '}');
    assert_int_equal(pe_json_finish(&writer), 0);
    event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
    assert_int_equal(event_encoder_add_run(&encoder, true, &event, &err), 0);
    take(&encoder, &lines, 4096);
    pe_autojson json_t *events = parse(&lines);
    check_kinds(events, kinds, 3);
    event_encoder_free(&encoder);
}

static void output_that_is_cut_anywhere_arrives_with_whole_characters(void **state)
{
    (void)state;
    for (size_t first = 0; first <= TEXT_SIZE; first++) {
        struct event_encoder encoder;
        struct pe_error err;
        pe_autobuf struct pe_buf lines = {0}, all = {0};
        struct live_output *live = live_output_new(&budget, &err);
        event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
        event_encoder_set_live(&encoder, live);
        assert_true(live_output_append(live, LIVE_STDOUT, text, first));
        take(&encoder, &lines, 4096);
        assert_true(live_output_append(live, LIVE_STDOUT, text + first, TEXT_SIZE - first));
        take(&encoder, &lines, 4096);
        pe_autojson json_t *events = parse(&lines);
        for (size_t i = 1; i < json_array_size(events); i++) {
            const char *piece = json_string_value(json_object_get(json_array_get(events, i), "text"));
            assert_non_null(piece);
            assert_int_equal(pe_buf_append_text(&all, piece, &err), 0);
        }
        assert_int_equal(all.size, TEXT_SIZE);
        assert_memory_equal(all.data, text, TEXT_SIZE);
        live_output_unref(live);
        event_encoder_free(&encoder);
    }
}

/* The bytes of a result arrive one message after the other. Meanwhile, nothing that was printed waits. */
static void a_result_that_arrives_in_parts_holds_back_nothing_that_was_printed(void **state)
{
    (void)state;
    for (size_t part = 0; part <= TEXT_SIZE; part++) {
        struct event_encoder encoder;
        struct pe_error err;
        pe_autobuf struct pe_buf lines = {0};
        struct live_output *live = live_output_new(&budget, &err);
        struct job_result *result = make_result(TEXT_SIZE + 1, 0);
        event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
        event_encoder_set_live(&encoder, live);
        assert_true(live_output_append(live, LIVE_STDOUT, text, TEXT_SIZE));
        assert_int_equal(job_result_append(result, text, part, &err), 0);
        event_encoder_set_result(&encoder, result, &result->fields);
        take(&encoder, &lines, 4096);
        assert_int_equal(encoder.position[LIVE_STDOUT], TEXT_SIZE);
        live_output_unref(live);
        job_result_unref(result);
        event_encoder_free(&encoder);
    }
}

static void a_lost_slot_begins_the_output_again(void **state)
{
    static const char *const kinds[] = {"queued",  "started", "stdout", "restarted",
                                        "started", "stdout",  "file",   "result"};
    struct event_encoder encoder;
    struct pe_error err;
    pe_autobuf struct pe_buf lines = {0};
    (void)state;
    event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
    struct live_output *live = live_output_new(&budget, &err);
    event_encoder_start(&encoder);
    event_encoder_set_live(&encoder, live);
    assert_true(live_output_append(live, LIVE_STDOUT, "lost", 4));
    take(&encoder, &lines, 4096);
    live_output_unref(live);
    event_encoder_restart(&encoder, "the reason");
    take(&encoder, &lines, 4096);
    struct job_result *result = make_result(TEXT_SIZE, 0);
    complete(result, text, TEXT_SIZE, "", 0);
    event_encoder_set_result(&encoder, result, &result->fields);
    take(&encoder, &lines, 4096);
    pe_autojson json_t *events = parse(&lines);
    check_kinds(events, kinds, 8);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 3), "reason")),
                        "the reason");
    job_result_unref(result);
    event_encoder_free(&encoder);
}

static void a_problem_comes_behind_all_that_was_printed(void **state)
{
    static const char *const kinds[] = {"queued", "stdout", "problem"};
    static const struct pe_problem problem = {.status = 504, .type = "vm-lost", .detail = "x"};
    struct event_encoder encoder;
    struct pe_error err;
    pe_autobuf struct pe_buf lines = {0};
    (void)state;
    event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
    struct live_output *live = live_output_new(&budget, &err);
    event_encoder_set_live(&encoder, live);
    assert_true(live_output_append(live, LIVE_STDOUT, "\xf0\x9f", 2)); /* half of a character */
    event_encoder_set_problem(&encoder, &problem);
    take(&encoder, &lines, 4096);
    pe_autojson json_t *events = parse(&lines);
    check_kinds(events, kinds, 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "base64")), "8J8=");
    live_output_unref(live);
    event_encoder_free(&encoder);
}

static void what_an_interactive_client_has_read_is_forgotten_and_the_result_goes_on(void **state)
{
    enum { SIZE = 200 * 1024 };
    struct event_encoder encoder;
    struct pe_error err;
    pe_autobuf struct pe_buf lines = {0};
    static char bytes[SIZE + 1];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    event_encoder_begin(&encoder, EVENT_FRAMING_LINES, "id", NULL, NULL);
    encoder.is_interactive = true;
    struct live_output *live = live_output_new(&budget, &err);
    event_encoder_set_live(&encoder, live);
    assert_true(live_output_append(live, LIVE_STDOUT, bytes, SIZE));
    take(&encoder, &lines, 4096);
    assert_true(live->kept[LIVE_STDOUT].size < 64 * 1024);
    struct job_result *result = make_result(sizeof bytes, 0);
    complete(result, bytes, sizeof bytes, "", 0);
    event_encoder_set_result(&encoder, result, &result->fields);
    lines.size = 0;
    take(&encoder, &lines, 4096);
    pe_autojson json_t *events = parse(&lines);
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "text")), "x");
    live_output_unref(live);
    job_result_unref(result);
    event_encoder_free(&encoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_gives_the_same_events_in_pieces_of_any_size, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_first_stage_or_case_that_is_told_means_that_the_job_has_started,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_that_is_cut_anywhere_arrives_with_whole_characters, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_result_that_arrives_in_parts_holds_back_nothing_that_was_printed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_slot_begins_the_output_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_problem_comes_behind_all_that_was_printed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_an_interactive_client_has_read_is_forgotten_and_the_result_goes_on, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("event_encoder", tests, NULL, NULL);
}
