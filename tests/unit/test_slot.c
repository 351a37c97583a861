/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the slot protocol, from a peer that may be broken or hostile. */
#include "proto/hello.h"
#include "proto/metadata.h"
#include "proto/slot.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>

static void refused(const char *text, const char *text_part)
{
    struct pe_error err;
    pe_automessage struct pe_message message;
    assert_int_equal(pe_message_decode(text, strlen(text), &message, &err), -1);
    assert_error(err, err.kind, text_part);
}

static void round_trip(const struct pe_message *message, struct pe_message *again)
{
    struct pe_error err;
    pe_autobuf struct pe_buf text = {0};
    assert_int_equal(pe_message_encode(message, &text, &err), 0);
    if (pe_message_decode(text.data, text.size, again, &err) < 0)
        fail_msg("%s in %.*s", err.message, (int)text.size, (char *)text.data);
}

static void add_file(struct pe_parts *parts, const char *name, uint64_t size)
{
    struct pe_error err;
    struct pe_path path;
    assert_int_equal(pe_path_parse(name, strlen(name), 0, &path, &err), 0);
    assert_int_equal(pe_parts_add(parts, PE_PART_FILE, &path, size, 0644, &err), 0);
}

static void a_job_and_its_parts_survive_the_wire(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_JOB, .id = "J-1_x", .queue_us = 42};
    pe_automessage struct pe_message again;
    assert_int_equal(pe_job_spec_decode("{\"image\":\"gcc:14\"}", 18, &message.job, &err), 0);
    add_file(&message.parts, "a b%\xff\n.c", 17);
    add_file(&message.parts, "z", 0);
    round_trip(&message, &again);
    assert_string_equal(again.id, "J-1_x");
    assert_int_equal(again.queue_us, 42);
    assert_int_equal(again.parts.count, 2);
    assert_string_equal(again.parts.items[0].path.text, "a b%\xff\n.c");
    assert_int_equal(pe_parts_size(&again.parts), 17);
}

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void the_trace_of_a_job_survives_the_wire_and_is_checked(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_JOB, .id = "j"};
    pe_automessage struct pe_message again;
    assert_int_equal(pe_job_spec_decode("{\"image\":\"gcc:14\"}", 18, &message.job, &err), 0);
    assert_true(pe_traceparent_parse(TRACEPARENT, strlen(TRACEPARENT), &message.trace));
    strcpy(message.trace.state, "a=1,b=\\2");
    round_trip(&message, &again);
    assert_string_equal(again.trace.state, message.trace.state);
    assert_string_equal(again.trace.trace_id, message.trace.trace_id);
    assert_string_equal(again.trace.span_id, message.trace.span_id);
    assert_int_equal(again.trace.flags, message.trace.flags);
    refused("{\"type\":\"job\",\"id\":\"j\",\"parts\":[],\"job\":{\"image\":\"i\"},\"traceparent\":\"00-0-0-"
            "00\"}",
            "'traceparent' is not valid");
    refused(
        "{\"type\":\"job\",\"id\":\"j\",\"parts\":[],\"job\":{\"image\":\"i\"},\"traceparent\":\"" TRACEPARENT
            TRACEPARENT "\"}",
        "a string is too long");
    refused("{\"type\":\"job\",\"id\":\"j\",\"parts\":[],\"job\":{\"image\":\"i\"},\"tracestate\":\"A=1\"}",
            "'tracestate' is not valid");
}

static void a_result_survives_the_wire(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_RESULT, .id = "r"};
    pe_automessage struct pe_message again;
    message.result = (struct pe_result){.status = PE_STATUS_SIGNALED,
                                        .exit_code = -1,
                                        .signal = 11,
                                        .wall_us = 1234567,
                                        .max_rss_kib = 2048,
                                        .stderr_truncated = true,
                                        .outputs_dropped = 3,
                                        .image = "gcc:14",
                                        .isolation = PE_ISOLATION_HARDWARE};
    message.result.phase_us[PE_PHASE_RUN] = 98765;
    assert_int_equal(pe_parts_add(&message.parts, PE_PART_STDOUT, NULL, 5, 0, &err), 0);
    round_trip(&message, &again);
    assert_int_equal(again.result.status, PE_STATUS_SIGNALED);
    assert_int_equal(again.result.exit_code, -1);
    assert_int_equal(again.result.signal, 11);
    assert_int_equal(again.result.isolation, PE_ISOLATION_HARDWARE);
    assert_int_equal(again.result.wall_us, 1234567);
    assert_int_equal(again.result.phase_us[PE_PHASE_RUN], 98765);
    assert_true(again.result.stderr_truncated);
    assert_false(again.result.stdout_truncated);
    assert_int_equal(again.result.outputs_dropped, 3);
    assert_int_equal(again.parts.items[0].kind, PE_PART_STDOUT);
}

static void add_to_result(struct pe_message *message, enum pe_part_kind kind, const char *name, uint32_t mode,
                          uint32_t mtime)
{
    struct pe_error err;
    struct pe_path path;
    assert_int_equal(pe_path_parse(name, strlen(name), 0, &path, &err), 0);
    assert_int_equal(pe_parts_add(&message->parts, kind, &path, 0, mode, &err), 0);
    message->parts.items[message->parts.count - 1].mtime = mtime;
}

static void assert_part(const struct pe_part *part, enum pe_part_kind kind, const char *name, uint32_t mode,
                        uint32_t mtime)
{
    assert_int_equal(part->kind, kind);
    assert_string_equal(part->path.text, name);
    assert_int_equal(part->mode, mode);
    assert_true(part->mtime == mtime);
}

static void files_and_folders_of_a_result_keep_their_attributes(void **state)
{
    (void)state;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_RESULT, .id = "r"};
    pe_automessage struct pe_message again;
    message.result.status = PE_STATUS_EXITED;
    add_to_result(&message, PE_PART_FOLDER, "a", 0700, 5);
    add_to_result(&message, PE_PART_FILE, "a/\xff x", 0755, UINT32_MAX);
    add_to_result(&message, PE_PART_FILE, "b", 0600, 0);
    round_trip(&message, &again);
    assert_int_equal(again.parts.count, 3);
    assert_part(&again.parts.items[0], PE_PART_FILE, "a/\xff x", 0755, UINT32_MAX);
    assert_part(&again.parts.items[1], PE_PART_FILE, "b", 0600, 0);
    assert_part(&again.parts.items[2], PE_PART_FOLDER, "a", 0700, 5);
}

static void a_result_of_a_worker_without_attributes_is_read(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message;
    static const char text[] = "{\"type\":\"result\",\"id\":\"1\",\"result\":{\"status\":\"exited\"},"
                               "\"parts\":[{\"kind\":\"file\",\"size\":1,\"name\":\"x\"}]}";
    assert_int_equal(pe_message_decode(text, strlen(text), &message, &err), 0);
    assert_int_equal(message.parts.count, 1);
    assert_part(&message.parts.items[0], PE_PART_FILE, "x", 0, 0);
}

static void messages_out_of_form_are_refused(void **state)
{
    (void)state;
    refused("", "object");
    refused("7", "object");
    refused("{}", "'type'");
    refused("{\"type\":7}", "string");
    refused("{\"type\":\"launch\"}", "unknown type");
    refused("{\"type\":\"end\"}", "'id'");
    refused("{\"type\":\"end\",\"id\":\"a b\"}", "'id'");
    refused("{\"type\":\"end\",\"id\":\"\"}", "'id'");
    refused("{\"type\":\"job\",\"id\":\"1\",\"job\":{\"image\":\"a\"}}", "'parts'");
    refused("{\"type\":\"hello\",\"protocol\":3,\"host\":\"h\",\"arch\":\"x\",\"cpu\":\"c\",\"vmm\":\"v\","
            "\"isolation\":\"kernel\",\"images\":[{}]}",
            "'name'");
    refused("{\"type\":\"hello\",\"protocol\":3,\"host\":\"h\",\"arch\":\"x\",\"cpu\":\"c\",\"vmm\":\"v\","
            "\"images\":[]}",
            "'isolation' must be");
    refused("{\"type\":\"hello\",\"protocol\":3,\"host\":\"h\",\"arch\":\"x\",\"cpu\":\"c\",\"vmm\":\"v\","
            "\"isolation\":\"unknown\",\"images\":[]}",
            "'hardware', 'kernel' or 'emulation', not 'unknown'");
    refused("{\"type\":\"error\",\"id\":\"1\",\"problem\":{\"status\":200}}", "status");
#define RESULT "{\"type\":\"result\",\"id\":\"1\",\"result\":{\"status\":\"exited\"},"
    refused(RESULT "\"parts\":[],\"folders\":[{\"mode\":1}]}", "folder has no name");
    refused(RESULT "\"parts\":[],\"folders\":[{\"name\":\"../x\"}]}", "no valid name");
    refused(RESULT "\"folders\":[{\"name\":\"x\"}],\"parts\":[]}", "behind 'folders'");
    refused(RESULT "\"parts\":[],\"folders\":[{\"name\":\"x\"}],\"folders\":[]}", "occurs twice");
    refused(RESULT "\"parts\":[{\"kind\":\"folder\",\"size\":0,\"name\":\"x\"}]}", "unknown kind");
#undef RESULT
    refused("{\"type\":\"result\",\"id\":\"1\",\"result\":{\"status\":\"fine\"},\"parts\":[]}", "status");
}

static void other_version(const char *text, uint32_t version, const char *text_part)
{
    struct pe_error err;
    pe_automessage struct pe_message message;
    assert_int_equal(pe_message_decode(text, strlen(text), &message, &err), -1);
    assert_error(err, PE_ERR_INVALID, text_part);
    assert_non_null(strstr(err.message, "the balancer version 3"));
    assert_true(strlen(err.message) <= 123); /* it fits in a Close frame, RFC 6455 section 5.5 */
    assert_int_equal(message.protocol, version);
}

static void another_version_is_refused_whatever_else_the_message_has(void **state)
{
    (void)state;
    other_version("{\"type\":\"ready\",\"host\":\"h\"}", 1, "the worker speaks version 1");
    other_version("{\"type\":\"hello\",\"host\":\"h\"}", 1, "the worker speaks version 1");
    other_version("{\"protocol\":4,\"type\":\"hello\",\"host\":{}}", 4, "the worker speaks version 4");
    other_version("{\"type\":\"ready\",\"protocol\":4294967295}", UINT32_MAX, "version 4294967295");
}

static void hello_and_ready_say_the_version(void **state)
{
    (void)state;
    pe_automessage struct pe_message ready = {.kind = PE_MESSAGE_READY, .host = "h"};
    pe_automessage struct pe_message hello = {
        .kind = PE_MESSAGE_HELLO, .hello.images = json_array(), .hello.isolation = PE_ISOLATION_KERNEL};
    pe_automessage struct pe_message again;
    round_trip(&ready, &again);
    assert_int_equal(again.protocol, PE_SLOT_PROTOCOL);
    round_trip(&hello, &again);
    assert_int_equal(again.protocol, PE_SLOT_PROTOCOL);
    assert_int_equal(again.hello.isolation, PE_ISOLATION_KERNEL);
    json_decref(again.hello.images);
    again.hello.images = NULL;
}

static void hello_tells_nothing_else_about_the_host_of_a_worker(void **state)
{
    (void)state;
    static const char *const told[] = {"type",      "protocol", "host", "arch",     "cpu",  "vmm",
                                       "isolation", "slots",    "vms",  "draining", "live", "images"};
    pe_automessage struct pe_message hello = {
        .kind = PE_MESSAGE_HELLO,
        .hello = {.images = json_array(), .live = 1, .isolation = PE_ISOLATION_KERNEL}};
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    assert_int_equal(pe_message_encode(&hello, &text, &err), 0);
    pe_autojson json_t *json = json_loadb((const char *)text.data, text.size, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_size(json), sizeof told / sizeof *told);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        assert_non_null(json_object_get(json, told[i]));
}

#define HELLO                                                                                       \
    "{\"type\":\"hello\",\"protocol\":3,\"host\":\"h\",\"arch\":\"x\",\"cpu\":\"c\",\"vmm\":\"v\"," \
    "\"isolation\":"                                                                                \
    "\"kernel\","
#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* A `hello` with `piece` repeated between `before` and `after`. The caller frees it. */
static char *hello_with(const char *before, const char *piece, size_t count, const char *after)
{
    struct pe_error err;
    struct pe_buf text = {0};
    assert_int_equal(pe_buf_append_text(&text, HELLO, &err), 0);
    assert_int_equal(pe_buf_append_text(&text, before, &err), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pe_buf_append_text(&text, piece, &err), 0);
    assert_int_equal(pe_buf_append(&text, after, strlen(after) + 1, &err), 0);
    return (char *)text.data;
}

static void refused_hello(const char *before, const char *piece, size_t count, const char *after,
                          const char *text_part)
{
    char *text = hello_with(before, piece, count, after);
    refused(text, text_part);
    free(text);
}

static void a_hello_with_too_many_values_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    refused_hello("\"images\":[],\"more\":[{}", ",{}", PE_HELLO_VALUES_MAX, "]}", "more than 131072 values");
    refused_hello("\"more\":", "[", 100000, "", "nesting is too deep");
}

static void what_is_unknown_in_an_image_is_not_kept(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message;
    char *text = hello_with("\"images\":[{\"name\":\"a:1\",\"digest\":\"" DIGEST
                            "\",\"default_cmd\":[\"x\"],\"categories\":[\"c\"],\"more\":[{}",
                            ",{}", 100, "]}]}");
    if (pe_message_decode(text, strlen(text), &message, &err) < 0)
        fail_msg("%s", err.message);
    const json_t *image = json_array_get(message.hello.images, 0);
    assert_string_equal(json_string_value(json_object_get(image, "name")), "a:1");
    assert_int_equal(json_array_size(json_object_get(image, "categories")), 1);
    assert_null(json_object_get(image, "more"));
    free(text);
}

#define IMAGE "{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"default_cmd\":[\"x\"],"

static void the_patterns_of_a_hello_are_bounded(void **state)
{
    (void)state;
    char kinds[20000] = "\"inputs\":[{\"type\":\"text/plain\",\"patterns\":[", *at = kinds + strlen(kinds);
    for (int i = 0; i < 64; i++) /* 64 patterns of 255 bytes count as 256 */
        at += sprintf(at, "%s\"%0255d\"", i ? "," : "", 0);
    strcpy(at, "]}]");
    size_t images = PE_HELLO_PATTERNS_MAX / PE_PATTERNS_MAX;
    char *image = NULL;
    assert_true(asprintf(&image, "," IMAGE "%s}", kinds) > 0);
    char *most = hello_with("\"images\":[", image, images, "]}");
    most[strlen(HELLO "\"images\":[")] = ' '; /* the first comma */
    pe_automessage struct pe_message message;
    struct pe_error err;
    if (pe_message_decode(most, strlen(most), &message, &err) < 0)
        fail_msg("%s", err.message);
    refused_hello("\"images\":[" IMAGE "\"commands\":[{\"files\":\"*\",\"cmd\":[\"x\"]}]}", image, images,
                  "]}", "over 4096 patterns");
    refused_hello("\"images\":[" IMAGE "\"commands\":[{\"files\":\"*\",\"cmd\":[\"x\"]}],", kinds, 1, "}]}",
                  "over 256 patterns");
    free(most);
    free(image);
}

static void refused_part(const char *part)
{
    struct pe_error err;
    char text[512];
    pe_automessage struct pe_message message;
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"job\",\"id\":\"1\",\"job\":{\"image\":\"a\"},\"parts\":[%s]}", part);
    assert_int_equal(pe_message_decode(text, (size_t)n, &message, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "slot message 'job': JSON: ");
}

static void a_long_text_of_a_worker_is_cut_behind_a_whole_character(void **state)
{
    (void)state;
    struct pe_error err;
    for (size_t before = 0; before < 3; before++) {
        pe_automessage struct pe_message message;
        char text[8192] = "{\"type\":\"error\",\"id\":\"1\",\"problem\":{\"status\":500,\"detail\":\"";
        memset(text + strlen(text), 'x', before);
        for (int i = 0; i < 2000; i++)
            strcat(text, "\xe2\x82\xac");
        strcat(text, "\"}}");
        assert_int_equal(pe_message_decode(text, strlen(text), &message, &err), 0);
        size_t length = strlen(message.problem.detail);
        assert_true(length + 3 >= sizeof message.problem.detail);
        assert_int_equal((length - before) % 3, 0);
        json_t *json = pe_problem_to_json(&message.problem);
        assert_string_equal(json_string_value(json_object_get(json, "detail")), message.problem.detail);
        json_decref(json);
    }
}

static void a_long_type_of_a_problem_is_cut_behind_a_whole_character(void **state)
{
    (void)state;
    struct pe_error err;
    for (size_t before = 0; before < 3; before++) {
        pe_automessage struct pe_message message;
        char text[512] = "{\"type\":\"error\",\"id\":\"1\",\"problem\":{\"status\":500,\"type\":\"/problems/";
        memset(text + strlen(text), 'x', before);
        for (int i = 0; i < 20; i++)
            strcat(text, "\xe2\x82\xac");
        strcat(text, "\"}}");
        assert_int_equal(pe_message_decode(text, strlen(text), &message, &err), 0);
        assert_int_equal((strlen(message.problem.type) - before) % 3, 0);
        pe_autojson json_t *json = pe_problem_to_json(&message.problem);
        assert_non_null(json);
    }
}

static void parts_with_bad_names_or_sizes_are_refused(void **state)
{
    (void)state;
    refused_part("{}");
    refused_part("{\"kind\":\"file\",\"size\":1}");
    refused_part("{\"kind\":\"file\",\"size\":-1,\"name\":\"a\"}");
    refused_part("{\"kind\":\"file\",\"size\":99999999999,\"name\":\"a\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"..\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"a%2F..\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"%00\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"% A\"}"); /* blanks are no digits */
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"%+A\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"a%4\"}");
    refused_part("{\"kind\":\"file\",\"size\":1,\"name\":\"%4\"}");
    refused_part("{\"kind\":\"file\",\"size\":33000000,\"name\":\"a\"},{\"kind\":\"file\",\"size\":33000000,"
                 "\"name\":\"b\"}");
}

static void accepted(const char *text, struct pe_message *message)
{
    struct pe_error err;
    if (pe_message_decode(text, strlen(text), message, &err) < 0)
        fail_msg("%s in %s", err.message, text);
}

static void a_job_can_have_a_terminal_or_an_open_input_or_neither(void **state)
{
    (void)state;
    static const char begin[] = "{\"type\":\"job\",\"id\":\"1\",\"job\":{\"image\":\"a\"},\"parts\":[]";
    static const struct {
        const char *input;
        struct pe_live_input wanted;
    } cases[] = {
        {"", {.open = false}},
        {",\"input\":{}", {.open = true}},
        {",\"input\":{\"later\":[1]}", {.open = true}},
        {",\"input\":{\"tty\":{\"rows\":24,\"cols\":80,\"term\":\"xterm-256color\"}}",
         {.open = true, .tty = true, .window = {24, 80}, .term = "xterm-256color"}},
        {",\"input\":{\"tty\":{\"rows\":4096,\"cols\":1}}",
         {.open = true, .tty = true, .window = {4096, 1}, .term = "xterm"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        pe_automessage struct pe_message message;
        pe_automessage struct pe_message again;
        snprintf(text, sizeof text, "%s%s}", begin, cases[i].input);
        accepted(text, &message);
        round_trip(&message, &again);
        assert_int_equal(again.input.open, cases[i].wanted.open);
        if (!again.input.open)
            continue;
        assert_int_equal(again.input.tty, cases[i].wanted.tty);
        assert_int_equal(again.input.window.rows, cases[i].wanted.window.rows);
        assert_int_equal(again.input.window.cols, cases[i].wanted.window.cols);
        assert_string_equal(again.input.term, cases[i].wanted.term);
    }
}

static void refused_terminal(const char *terminal)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"type\":\"job\",\"id\":\"1\",\"job\":{\"image\":\"a\"},\"parts\":[],\"input\":{\"tty\":%s}}",
             terminal);
    refused(text, "");
}

static void a_terminal_without_a_size_or_with_a_strange_name_is_refused(void **state)
{
    (void)state;
    refused_terminal("true");
    refused_terminal("{}");
    refused_terminal("{\"rows\":24}");
    refused_terminal("{\"rows\":0,\"cols\":80}");
    refused_terminal("{\"rows\":24,\"cols\":4097}");
    refused_terminal("{\"rows\":-1,\"cols\":80}");
    refused_terminal("{\"rows\":24,\"cols\":80,\"term\":\"\"}");
    refused_terminal("{\"rows\":24,\"cols\":80,\"term\":\"../x\"}");
    refused_terminal("{\"rows\":24,\"cols\":80,\"term\":\"a=b\"}");
    refused_terminal("{\"rows\":24,\"cols\":80,\"term\":"
                     "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
}

static void messages_of_a_live_job_survive_the_wire(void **state)
{
    (void)state;
    static const struct pe_message cases[] = {
        {.kind = PE_MESSAGE_WATCH},
        {.kind = PE_MESSAGE_EOF},
        {.kind = PE_MESSAGE_INPUT, .bytes = 1},
        {.kind = PE_MESSAGE_INPUT, .bytes = PE_LIVE_WINDOW},
        {.kind = PE_MESSAGE_TAKEN, .bytes = 7},
        {.kind = PE_MESSAGE_RESIZE, .window = {50, 132}},
        {.kind = PE_MESSAGE_SIGNAL, .signal = 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pe_automessage struct pe_message again;
        struct pe_message message = cases[i];
        strcpy(message.id, "live");
        round_trip(&message, &again);
        assert_int_equal(again.kind, message.kind);
        assert_string_equal(again.id, "live");
        assert_int_equal(again.bytes, message.bytes);
        assert_int_equal(again.signal, message.signal);
        assert_int_equal(again.window.rows, message.window.rows);
        assert_int_equal(again.window.cols, message.window.cols);
    }
}

static void live_output_survives_the_wire(void **state)
{
    (void)state;
    struct pe_error err;
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_OUTPUT, .id = "o"};
    pe_automessage struct pe_message again;
    assert_int_equal(pe_parts_add(&message.parts, PE_PART_STDERR, NULL, 3, 0, &err), 0);
    assert_int_equal(pe_parts_add(&message.parts, PE_PART_STDOUT, NULL, 65533, 0, &err), 0);
    round_trip(&message, &again);
    assert_int_equal(again.parts.count, 2);
    assert_int_equal(again.parts.items[0].kind, PE_PART_STDERR);
    assert_int_equal(again.parts.items[1].kind, PE_PART_STDOUT);
    assert_int_equal(pe_parts_size(&again.parts), 65536);
}

static void live_messages_out_of_bounds_are_refused(void **state)
{
    (void)state;
    refused("{\"type\":\"watch\"}", "'id'");
    refused("{\"type\":\"input\",\"id\":\"1\"}", "'size'");
    refused("{\"type\":\"input\",\"id\":\"1\",\"size\":0}", "'size'");
    refused("{\"type\":\"input\",\"id\":\"1\",\"size\":65537}", "");
    refused("{\"type\":\"taken\",\"id\":\"1\"}", "'bytes'");
    refused("{\"type\":\"taken\",\"id\":\"1\",\"bytes\":-1}", "");
    refused("{\"type\":\"resize\",\"id\":\"1\",\"rows\":5}", "'cols'");
    refused("{\"type\":\"resize\",\"id\":\"1\",\"rows\":5,\"cols\":0}", "at least one row");
    refused("{\"type\":\"signal\",\"id\":\"1\"}", "'signal'");
    refused("{\"type\":\"signal\",\"id\":\"1\",\"signal\":19}", "'signal'"); /* SIGSTOP */
    refused("{\"type\":\"signal\",\"id\":\"1\",\"signal\":\"INT\"}", "");
    refused("{\"type\":\"output\",\"id\":\"1\"}", "'parts'");
    refused("{\"type\":\"output\",\"id\":\"1\",\"parts\":[]}", "0 bytes");
    refused("{\"type\":\"output\",\"id\":\"1\",\"parts\":[{\"kind\":\"stdout\",\"size\":65537}]}", "65537");
    refused("{\"type\":\"output\",\"id\":\"1\",\"parts\":[{\"kind\":\"combined\",\"size\":1}]}", "neither");
}

static void signals_have_names(void **state)
{
    (void)state;
    assert_int_equal(pe_live_signal_number("INT"), 2);
    assert_int_equal(pe_live_signal_number("WINCH"), 28);
    assert_int_equal(pe_live_signal_number("STOP"), 0);
    assert_int_equal(pe_live_signal_number("SIGINT"), 0);
    assert_false(pe_live_signal_is_allowed(0));
}

static void hello_and_ready_say_whether_the_worker_can_do_live_jobs(void **state)
{
    (void)state;
    pe_automessage struct pe_message ready = {.kind = PE_MESSAGE_READY, .host = "h", .live = 1};
    pe_automessage struct pe_message hello = {
        .kind = PE_MESSAGE_HELLO,
        .hello = {.host = "h", .isolation = PE_ISOLATION_KERNEL, .live = 1, .images = json_array()}};
    pe_automessage struct pe_message again;
    round_trip(&ready, &again);
    assert_int_equal(again.live, 1);
    pe_message_free(&again);
    round_trip(&hello, &again);
    assert_int_equal(again.hello.live, 1);
    pe_message_free(&again);
    accepted("{\"type\":\"ready\",\"protocol\":3,\"host\":\"h\"}", &again);
    assert_int_equal(again.live, 0);
}

static void messages_of_a_shared_slot_survive_the_wire(void **state)
{
    (void)state;
    pe_automessage struct pe_message again;
    struct pe_message ready = {.kind = PE_MESSAGE_READY, .host = "h", .shared = PE_SHARED_VERSION};
    struct pe_message welcome = {.kind = PE_MESSAGE_WELCOME, .shared = PE_SHARED_VERSION};
    struct pe_message withdraw = {.kind = PE_MESSAGE_WITHDRAW};
    struct pe_message giving_back = {.kind = PE_MESSAGE_RETURN, .id = "job-1"};
    round_trip(&ready, &again);
    assert_int_equal(again.shared, PE_SHARED_VERSION);
    round_trip(&welcome, &again);
    assert_int_equal(again.kind, PE_MESSAGE_WELCOME);
    assert_int_equal(again.shared, PE_SHARED_VERSION);
    round_trip(&withdraw, &again);
    assert_int_equal(again.kind, PE_MESSAGE_WITHDRAW);
    round_trip(&giving_back, &again);
    assert_string_equal(again.id, "job-1");
    refused("{\"type\":\"welcome\"}", "'shared' is missing");
    refused("{\"type\":\"return\"}", "'id' is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_and_its_parts_survive_the_wire),
        cmocka_unit_test(the_trace_of_a_job_survives_the_wire_and_is_checked),
        cmocka_unit_test(a_result_survives_the_wire),
        cmocka_unit_test(files_and_folders_of_a_result_keep_their_attributes),
        cmocka_unit_test(a_result_of_a_worker_without_attributes_is_read),
        cmocka_unit_test(messages_out_of_form_are_refused),
        cmocka_unit_test(another_version_is_refused_whatever_else_the_message_has),
        cmocka_unit_test(hello_and_ready_say_the_version),
        cmocka_unit_test(hello_tells_nothing_else_about_the_host_of_a_worker),
        cmocka_unit_test(a_hello_with_too_many_values_is_refused_before_it_is_parsed),
        cmocka_unit_test(what_is_unknown_in_an_image_is_not_kept),
        cmocka_unit_test(the_patterns_of_a_hello_are_bounded),
        cmocka_unit_test(a_long_text_of_a_worker_is_cut_behind_a_whole_character),
        cmocka_unit_test(a_long_type_of_a_problem_is_cut_behind_a_whole_character),
        cmocka_unit_test(parts_with_bad_names_or_sizes_are_refused),
        cmocka_unit_test(a_job_can_have_a_terminal_or_an_open_input_or_neither),
        cmocka_unit_test(a_terminal_without_a_size_or_with_a_strange_name_is_refused),
        cmocka_unit_test(messages_of_a_live_job_survive_the_wire),
        cmocka_unit_test(live_output_survives_the_wire),
        cmocka_unit_test(live_messages_out_of_bounds_are_refused),
        cmocka_unit_test(signals_have_names),
        cmocka_unit_test(hello_and_ready_say_whether_the_worker_can_do_live_jobs),
        cmocka_unit_test(messages_of_a_shared_slot_survive_the_wire),
    };
    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
