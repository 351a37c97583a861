/* SPDX-License-Identifier: Apache-2.0 */
/* Piston's requests as jobs, and the runtimes that they choose from. */
#include "lb/piston/request.h"
#include "lb/piston/runtime_list.h"
#include "lb/piston/runtimes.h"
#include "proto/metadata.h"
#include "tests/unit/check.h"
#include "tests/unit/quoted.h"

#include <stdio.h>
#include <stdlib.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const int owner; /* its address stands for a registration */

static const char images_text[] =
    "[{'name': 'gcc:14', 'digest': '" DIGEST "', 'piston': [{'language': 'c', 'version': '14.2.0', 'aliases':"
    " ['gcc', 'cc'], 'runtime': 'gcc', 'compile': ['cc', '{files}'], 'run': ['./a.out', '{args}']}]},"
    " {'name': 'gcc:13', 'digest': '" DIGEST "', 'piston': [{'language': 'c', 'version': '13.3.0', 'aliases':"
    " ['gcc'], 'runtime': 'gcc', 'run': ['old'], 'limit_overrides': {'run_timeout': 50, 'run_memory_limit': "
    "1000}}]},"
    " {'name': 'other:1', 'digest': '" DIGEST
    "', 'piston': [{'language': 'c', 'version': '14.2.0', 'aliases':"
    " ['gcc', 'cc'], 'runtime': 'gcc', 'run': ['copy']}]},"
    " {'name': 'python:3', 'digest': '" DIGEST "', 'piston': [{'language': 'python', 'version': '3.13.5',"
    " 'aliases': ['py'], 'run': ['python3', '{main}', '{args}', '{files}x']}]},"
    " {'name': 'any:1', 'digest': '" DIGEST "', 'piston': [{'language': 'file', 'version': '1.0.0',"
    " 'run': ['./run', '{main}']}]},"
    " {'name': 'plain:1', 'digest': '" DIGEST "'}]";

static int set_up(void **state)
{
    struct pe_error err;
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    const struct queue_limits limits = {.jobs = 1, .bytes = 1000};
    struct pe_hello hello = {.slots = 1, .host = "h"};
    scheduler_init(scheduler, &limits);
    hello.images = parse_quoted(images_text);
    assert_int_equal(scheduler_worker_hello(scheduler, &owner, &hello, &err), 0);
    json_decref(hello.images);
    *state = scheduler;
    return 0;
}

static int tear_down(void **state)
{
    scheduler_worker_gone(*state, &owner);
    free(*state);
    return 0;
}

/* A request's way; on success `submission` is its job. */
static int make(void **state, const void *body, size_t size, struct piston_request *request,
                struct submission *submission, struct pe_error *err)
{
    *submission = (struct submission){0};
    /* In memory of its own, so that a sanitizer sees a byte read too many. */
    void *copy = malloc(size + 1);
    memcpy(copy, body, size);
    int failed = piston_request_read(copy, size, request, err) < 0 ||
                 piston_request_resolve(request, *state, &piston_default_limits, submission, err) < 0;
    free(copy);
    return failed ? -1 : 0;
}

static int make_text(void **state, const char *text, struct piston_request *request,
                     struct submission *submission, struct pe_error *err)
{
    char *quoted = strdup(text);
    for (char *at = quoted; (at = strchr(at, '\'')); at++)
        *at = '"';
    int failed = make(state, quoted, strlen(quoted), request, submission, err);
    free(quoted);
    return failed;
}

static void refused(void **state, const char *text, const char *message)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err = {0};
    if (make_text(state, text, &request, &submission, &err) == 0)
        fail_msg("taken: %s", text);
    if (strcmp(err.message, message) != 0 && (!strchr(message, '*') || !strstr(err.message, message + 1)))
        fail_msg("%s: '%s' instead of '%s'", text, err.message, message);
    submission_free(&submission);
    piston_request_free(&request);
}

static void is_file(const struct submission *submission, size_t at, const char *name, const char *content,
                    size_t size)
{
    assert_true(at < submission->files.count);
    assert_string_equal(submission->files.items[at].path.text, name);
    assert_int_equal(submission->files.items[at].size, size);
    assert_memory_equal(submission->bytes[at], content, size);
}

static void are_arguments(const struct pe_job_spec *job, const char *const *wanted, size_t count)
{
    for (size_t i = 0; i < count && i < job->cmd_count; i++)
        assert_string_equal(job->cmd[i], wanted[i]);
    assert_int_equal(job->cmd_count, count);
}

/* ---- requests ---- */

static void a_request_becomes_a_job_of_stages(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    static const char *const wanted[] = {
        "/dev/pe-shim", "stages", ".stdin", "compile", "10000", "10000", "0",    "65536", "0", "0", "0", "3",
        "cc",           "a.c",    "x/b.h",  "run",     "1500",  "3000",  "4096", "65536", "0", "0", "0", "4",
        "./a.out",      "-v",     "",       "7"};
    assert_int_equal(
        make_text(
            state,
            "{'language': 'gcc', 'version': '14.x', 'files': [{'name': 'a.c', 'content': 'int x;'}, {'name':"
            " './x//y/../b.h', 'content': 'h'}, {'name': 'd', 'content': '/+7_!\\n-w', 'encoding': 'base64'},"
            " {'name': 'e', 'content': '00fFzz00', 'encoding': 'hex'}], 'args': ['-v', '', 7], 'stdin': 'in',"
            " 'run_timeout': 1499.5, 'run_memory_limit': 4096, 'compile_memory_limit': -1, 'more': {}}",
            &request, &submission, &err),
        0);
    assert_string_equal(submission.spec.image, "gcc:14");
    assert_false(submission.spec.cache);
    assert_int_equal(submission.spec.timeout_ms, 10000 + 1500 + 5000);
    assert_string_equal(submission.spec.env[0], "PISTON_LANGUAGE=c");
    are_arguments(&submission.spec, wanted, sizeof wanted / sizeof *wanted);
    assert_int_equal(submission.files.count, 5);
    is_file(&submission, 0, "a.c", "int x;", 6);
    is_file(&submission, 1, "x/b.h", "h", 1);
    is_file(&submission, 2, "d", "\xff\xee\xff\xfb", 4);
    is_file(&submission, 3, "e", "\0\xff", 2);
    is_file(&submission, 4, ".stdin", "in\n", 3);
    assert_string_equal(request.language, "c");
    assert_string_equal(request.version, "14.2.0");
    assert_true(request.compiled);
    submission_free(&submission);
    piston_request_free(&request);
}

static void a_name_that_looks_like_an_option_gets_a_folder_in_front(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    static const char *const wanted[] = {
        "/dev/pe-shim", "stages",  ".stdin", "run",     "3000", "3000", "0", "65536", "0", "0", "0", "4",
        "python3",      "./-c.py", "-x",     "{files}x"};
    assert_int_equal(make_text(state,
                               "{'language': 'py', 'version': '*', 'args': ['-x'],"
                               " 'files': [{'name': '-c.py', 'content': ''}, {'name': '@b', 'content': ''}]}",
                               &request, &submission, &err),
                     0);
    are_arguments(&submission.spec, wanted, sizeof wanted / sizeof *wanted);
    is_file(&submission, 0, "-c.py", "", 0);
    submission_free(&submission);
    piston_request_free(&request);
}

static void a_byte_order_mark_in_front_of_a_request_is_ignored(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    assert_int_equal(make_text(state,
                               "\xef\xbb\xbf{'language': 'py', 'version': '*', 'files': [{'content': ''}]}",
                               &request, &submission, &err),
                     0);
    submission_free(&submission);
    piston_request_free(&request);
}

static void the_language_file_runs_a_binary(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    static const char *const wanted[] = {"/dev/pe-shim", "stages", ".stdin", "run", "3000", "3000",  "0",
                                         "65536",        "0",      "0",      "0",   "2",    "./run", "prog"};
    assert_int_equal(make_text(state,
                               "{'language': 'file', 'version': '*', 'files': [{'name': 'prog',"
                               " 'content': 'f0VM', 'encoding': 'base64'}, {'content': ''}]}",
                               &request, &submission, &err),
                     0);
    are_arguments(&submission.spec, wanted, sizeof wanted / sizeof *wanted);
    is_file(&submission, 0, "prog",
            "\x7f"
            "EL",
            3);
    submission_free(&submission);
    piston_request_free(&request);
}

static void what_is_left_out_has_pistons_defaults(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    static const char *const wanted[] = {
        "/dev/pe-shim", "stages",     ".stdin_", "run", "3000", "3000", "0", "65536", "0", "0", "0", "3",
        "python3",      "file1.code", "{files}x"};
    assert_int_equal(
        make_text(state,
                  "{'language': 'py', 'version': '*', 'files': [{'name': 'b', 'content': 'AA==',"
                  " 'encoding': 'base64'}, {'content': 'one\\u0000', 'name': null}, {'name': '.stdin',"
                  " 'content': 'x', 'encoding': 'latin9'}], 'stdin': null, 'args': null,"
                  " 'run_timeout': null, 'run_cpu_time': null, 'compile_timeout': 9}",
                  &request, &submission, &err),
        0);
    are_arguments(&submission.spec, wanted, sizeof wanted / sizeof *wanted);
    is_file(&submission, 1, "file1.code", "one\0", 4);
    is_file(&submission, 3, ".stdin_", "\n", 1);
    assert_int_equal(submission.spec.timeout_ms, 8000);
    submission_free(&submission);
    piston_request_free(&request);
}

static void a_name_that_comes_again_replaces_the_file(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    assert_int_equal(
        make_text(state,
                  "{'language': 'c', 'version': '14.2.0', 'files': [{'name': 'a', 'content': 'old'}, {'name':"
                  " 'b', 'content': ''}, {'name': '/a', 'content': 'newer'}]}",
                  &request, &submission, &err),
        0);
    assert_string_equal(submission.spec.image,
                        "gcc:14"); /* the first by name of those that have the version */
    assert_int_equal(submission.files.count, 3);
    is_file(&submission, 0, "a", "newer", 5);
    submission_free(&submission);
    piston_request_free(&request);
}

static void a_limit_of_0_is_that_of_the_operator(void **state)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    assert_int_equal(
        make_text(state,
                  "{'language': 'py', 'version': '3', 'files': [{'content': ''}], 'run_timeout': 0,"
                  " 'run_cpu_time': false, 'run_memory_limit': 1e300}",
                  &request, &submission, &err),
        0);
    assert_string_equal(submission.spec.cmd[4], "3000");
    assert_string_equal(submission.spec.cmd[5], "3000");
    assert_string_equal(submission.spec.cmd[6], "1073741824");
    assert_int_equal(submission.spec.timeout_ms, 8000);
    submission_free(&submission);
    piston_request_free(&request);
    assert_int_equal(
        make_text(state,
                  "{'language': 'py', 'version': '3', 'files': [{'content': ''}], 'run_timeout': -0.0,"
                  " 'run_cpu_time': '', 'run_memory_limit': 0}",
                  &request, &submission, &err),
        0);
    assert_string_equal(submission.spec.cmd[4], "3000");
    assert_string_equal(submission.spec.cmd[5], "3000");
    assert_string_equal(submission.spec.cmd[6], "0"); /* the operator sets none */
    submission_free(&submission);
    piston_request_free(&request);
}

#define HEAD "'language': 'c', 'version': '13', "
#define FILES "'files': [{'content': 'x'}]"

static void errors_have_the_messages_of_piston(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "language is required as a string"},
        {"[]", "language is required as a string"},
        {"{'language': 1}", "language is required as a string"},
        {"{'language': ''}", "language is required as a string"},
        {"{'language': 'c'}", "version is required as a string"},
        {"{'language': 'c', 'version': 14}", "version is required as a string"},
        {"{" HEAD "'files': {}}", "files is required as an array"},
        {"{" HEAD "'files': null}", "files is required as an array"},
        {"{" HEAD "'files': [{'content': ''}, {'content': 1}]}", "files[1].content is required as a string"},
        {"{" HEAD "'files': [null]}", "files[0].content is required as a string"},
        {"{" HEAD "'files': []}", "files must include at least one utf8 encoded file"},
        {"{" HEAD "'files': [{'content': '', 'encoding': 'hex'}]}",
         "files must include at least one utf8 encoded file"},
        {"{" HEAD "'files': [{'content': '', 'encoding': 'x'}]}",
         "files must include at least one utf8 encoded file"},
        {"{'language': 'html', 'version': '5.0.0', " FILES "}", "html-5.0.0 runtime is unknown"},
        {"{'language': 'c', 'version': '12', " FILES "}", "c-12 runtime is unknown"},
        {"{'language': 'c', 'version': 'latest', " FILES "}", "c-latest runtime is unknown"},
        {"{'language': 'c\\u0000', 'version': '*', " FILES "}", "*c-* runtime is unknown"},
        {"{" HEAD FILES ", 'run_timeout': 51}", "run_timeout cannot exceed the configured limit of 50"},
        {"{" HEAD FILES ", 'run_timeout': 99999999999999999999}",
         "run_timeout cannot exceed the configured limit of 50"},
        {"{" HEAD FILES ", 'run_timeout': '5'}", "If specified, run_timeout must be a number"},
        {"{" HEAD FILES ", 'run_timeout': true}", "If specified, run_timeout must be a number"},
        {"{" HEAD FILES ", 'compile_cpu_time': []}", "If specified, compile_cpu_time must be a number"},
        {"{" HEAD FILES ", 'run_timeout': -1}", "run_timeout must be non-negative"},
        {"{" HEAD FILES ", 'run_memory_limit': -1}", "run_memory_limit must be non-negative"},
        {"{" HEAD FILES ", 'run_memory_limit': 1001, 'run_timeout': 51}",
         "run_memory_limit cannot exceed the configured limit of 1000"},
        {"{" HEAD FILES ", 'stdin': 5}", "stdin must be a string"},
        {"{" HEAD FILES ", 'args': 'a'}", "args must be an array of strings"},
        {"{" HEAD FILES ", 'args': ['a', {}]}", "args[1] must be a string"},
        {"{" HEAD FILES ", 'args': ['\\u0000']}", "args[0] has a NUL character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(state, cases[i][0], cases[i][1]);
}

static void a_name_that_is_no_place_in_the_folder_is_refused(void **state)
{
    static const char *const names[][2] = {
        {"'../x'", "*tries to escape"},
        {"'a/../../x'", "*tries to escape"},
        {"'..'", "*tries to escape"},
        {"'.'", "*means the folder itself"},
        {"'/'", "*means the folder itself"},
        {"'a\\u0000b'", "*NUL"},
        {"'a\\nb'", "*control"},
        {"7", "*name must be a string"},
        {"{}", "*name must be a string"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[256];
        snprintf(text, sizeof text, "{" HEAD "'files': [{'content': '', 'name': %s}]}", names[i][0]);
        refused(state, text, names[i][1]);
    }
    refused(state, "{" HEAD "'files': [{'content': '', 'name': 'a'}, {'content': '', 'name': 'a/b'}]}",
            "*both a file and a folder");
}

/* Bodies that are too much, or no text, must only be refused. */
static void refused_bytes(void **state, const void *body, size_t size, enum pe_error_kind kind,
                          const char *text_part)
{
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    assert_int_equal(make(state, body, size, &request, &submission, &err), -1);
    assert_error(err, kind, text_part);
    submission_free(&submission);
    piston_request_free(&request);
}

static char *repeat(const char *head, const char *piece, size_t count, const char *tail)
{
    size_t size = strlen(piece);
    char *text = malloc(strlen(head) + size * count + strlen(tail) + 1), *at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, piece);
    strcpy(at, tail);
    return text;
}

static void bodies_that_are_too_much_or_no_json_are_refused(void **state)
{
    static const char head[] = "{\"language\":\"c\",\"version\":\"13\",\"files\":[{\"content\":\"\"}";
    static const char other[] = "{\"language\":\"c\",\"version\":\"14\",\"files\":[{\"content\":\"\"}";
    struct {
        char *text;
        enum pe_error_kind kind;
        const char *text_part;
    } large[] = {
        {repeat("\"", "x", PISTON_BODY_MAX, "\""), PE_ERR_TOO_LARGE, "at most"},
        {repeat(head, ",{\"content\":\"\"}", 5000, "]}"), PE_ERR_TOO_LARGE, "input files"},
        {repeat(other, ",{\"content\":\"\"}", 1100, "]}"), PE_ERR_TOO_LARGE,
         "arguments that a command may have"},
        {repeat(head, "", 0, "],\"args\":["), PE_ERR_MALFORMED, "not JSON"},
        {repeat("[", "[", 62, ""), PE_ERR_MALFORMED, "not JSON"},
        {repeat("[", "[", 100000, ""), PE_ERR_MALFORMED, "nested deeper than 64"},
        {repeat("[{}", ",{}", 32768, "]"), PE_ERR_TOO_LARGE, "more than 32768 values"},
        {repeat(head, " ", 1, "],\"args\":[\"\xff\"]}"), PE_ERR_MALFORMED, "not JSON"},
        {repeat("{\"language\":\"", "\xc3\xa9", 5000, "\",\"version\":\"1\",\"files\":[]}"), PE_ERR_INVALID,
         "unknown"},
        {repeat("{\"language\":\"c\",\"version\":\"13\",\"files\":[{\"content\":\"\",\"name\":\"", "a/", 2000,
                "b\"}]}"),
         PE_ERR_INVALID, "bytes"},
    };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        refused_bytes(state, large[i].text, strlen(large[i].text), large[i].kind, large[i].text_part);
        free(large[i].text);
    }
    char *args = repeat("", "\"a\",", 1100, "\"a\"]}"), *long_arg = repeat("\"", "y", 70000, "\"]}");
    char *both[] = {args, long_arg};
    for (size_t i = 0; i < 2; i++) {
        char *text = NULL;
        assert_true(asprintf(&text, "%s],\"args\":[%s", other, both[i]) > 0);
        refused_bytes(state, text, strlen(text), PE_ERR_TOO_LARGE, "args");
        free(text);
        free(both[i]);
    }
    refused_bytes(state, "", 0, PE_ERR_INVALID, "language");
}

/* Every front of a request, and every request with a byte changed, is taken or refused. */
static void damaged_requests_are_taken_or_refused(void **state)
{
    static const char body_hash[] =
        "{\"language\":\"c\",\"version\":\">=13 <15\",\"files\":[{\"name\":\"a/../b.c\",\"content\":"
        "\"QUJD\",\"encoding\":\"base64\"},{\"content\":\"\\u00e9\"}],\"args\":[\"1\",2],\"stdin\":"
        "\"x\",\"run_timeout\":40,\"run_memory_limit\":-1}";
    struct piston_request request;
    struct submission submission;
    struct pe_error err;
    for (size_t i = 0; i < sizeof body_hash; i++)
        for (unsigned change = 0; change < 40; change++) {
            char text[sizeof body_hash];
            memcpy(text, body_hash, sizeof body_hash);
            text[i] = (char)(change * 37 + i);
            size_t size = change == 0 ? i : sizeof body_hash - 1;
            if (make(state, text, size, &request, &submission, &err) == 0)
                assert_true(submission.spec.cmd_count > 3 && submission.spec.timeout_ms <= 125000);
            submission_free(&submission);
            piston_request_free(&request);
        }
}

/* ---- runtimes ---- */

/* Check the text of a list, and drop the reference. */
static void check_list(struct piston_text *text, const char *quoted)
{
    json_t *wanted = parse_quoted(quoted);
    assert_non_null(text);
    json_t *listed = json_loadb((const char *)text->bytes.data, text->bytes.size, 0, NULL);
    assert_true(json_equal(listed, wanted));
    json_decref(listed);
    json_decref(wanted);
    piston_text_unref(text);
}

static void runtimes_are_listed_once_with_what_runs_them(void **state)
{
    struct piston_runtime_list list = {0};
    struct pe_error err;
    check_list(piston_list_runtimes(&list, *state, &err),
               "[{'language': 'c', 'version': '13.3.0', 'aliases': ['gcc'], 'runtime': 'gcc'},"
               " {'language': 'c', 'version': '14.2.0', 'aliases': ['gcc', 'cc'], 'runtime': 'gcc'},"
               " {'language': 'file', 'version': '1.0.0', 'aliases': []},"
               " {'language': 'python', 'version': '3.13.5', 'aliases': ['py']}]");
    check_list(piston_list_packages(&list, *state, &err),
               "[{'language': 'file', 'language_version': '1.0.0', 'installed': true},"
               " {'language': 'gcc', 'language_version': '13.3.0', 'installed': true},"
               " {'language': 'gcc', 'language_version': '14.2.0', 'installed': true},"
               " {'language': 'python', 'language_version': '3.13.5', 'installed': true}]");
    piston_text_unref(list.runtimes);
    piston_text_unref(list.packages);
}

static void the_list_of_runtimes_is_made_again_only_when_a_worker_has_changed(void **state)
{
    struct scheduler *scheduler = *state;
    struct piston_runtime_list list = {0};
    struct pe_error err;
    struct piston_text *first = piston_list_runtimes(&list, scheduler, &err);
    struct piston_text *second = piston_list_runtimes(&list, scheduler, &err);
    assert_ptr_equal(first, second);
    piston_text_unref(second);
    scheduler->catalog_serial++;
    second = piston_list_runtimes(&list, scheduler, &err);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->bytes.size, second->bytes.size);
    piston_text_unref(first); /* a response was still sent from it */
    piston_text_unref(second);
    piston_text_unref(list.runtimes);
}

static void runtimes_of_an_image_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "[1]",
        "[{'language': 'c', 'version': '1.0.0'}]",
        "[{'language': 'c', 'run': ['x']}]",
        "[{'language': 'c', 'version': '1.0', 'run': ['x']}]",
        "[{'language': '', 'version': '1.0.0', 'run': ['x']}]",
        "[{'language': 'a b', 'version': '1.0.0', 'run': ['x']}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': []}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['']}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x', 1]}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'aliases': 'y'}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'compile': []}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'limit_overrides': {'x': 1}}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'limit_overrides': {'run_timeout': 0}}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'limit_overrides': {'run_timeout': 300001}}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'limit_overrides': {'output_max_size': "
        "262145}}]",
        "[{'language': 'c', 'version': '1.0.0', 'run': ['x'], 'typo': 1}]",
    };
    struct pe_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *json = parse_quoted(wrong[i]);
        if (pe_runtimes_check("piston", json, &err) == 0)
            fail_msg("taken: %s", wrong[i]);
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
        json_decref(json);
    }
    json_t *json = parse_quoted(
        "[{'language': 'c++', 'version': '1.0.0-rc.1', 'run': ['x'], 'compile': ['y', ''], 'aliases':"
        " ['cpp'], 'runtime': 'gcc', 'limit_overrides': {'run_memory_limit': -1}}]");
    assert_int_equal(pe_runtimes_check("piston", json, &err), 0);
    json_decref(json);
}

static void a_catalog_entry_carries_its_runtimes(void **state)
{
    (void)state;
    struct pe_error err;
    json_t *entry =
        parse_quoted("{'name': 'x', 'piston': [{'language': 'c', 'version': '1.0.0', 'run': ['x']}]}");
    json_t *taken = NULL;
    assert_int_equal(pe_metadata_parse(entry, &taken, &err), 0);
    assert_true(json_equal(json_object_get(taken, "piston"), json_object_get(entry, "piston")));
    json_object_set_new(json_array_get(json_object_get(entry, "piston"), 0), "version", json_string("1"));
    json_decref(taken);
    assert_int_equal(pe_metadata_parse(entry, &taken, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "'version'");
    json_decref(entry);
}

#define WITH_CATALOG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CATALOG(a_request_becomes_a_job_of_stages),
        WITH_CATALOG(a_name_that_looks_like_an_option_gets_a_folder_in_front),
        WITH_CATALOG(a_byte_order_mark_in_front_of_a_request_is_ignored),
        WITH_CATALOG(the_language_file_runs_a_binary),
        WITH_CATALOG(what_is_left_out_has_pistons_defaults),
        WITH_CATALOG(a_name_that_comes_again_replaces_the_file),
        WITH_CATALOG(a_limit_of_0_is_that_of_the_operator),
        WITH_CATALOG(errors_have_the_messages_of_piston),
        WITH_CATALOG(a_name_that_is_no_place_in_the_folder_is_refused),
        WITH_CATALOG(bodies_that_are_too_much_or_no_json_are_refused),
        WITH_CATALOG(damaged_requests_are_taken_or_refused),
        WITH_CATALOG(runtimes_are_listed_once_with_what_runs_them),
        WITH_CATALOG(the_list_of_runtimes_is_made_again_only_when_a_worker_has_changed),
        cmocka_unit_test(runtimes_of_an_image_are_checked),
        cmocka_unit_test(a_catalog_entry_carries_its_runtimes),
    };
    return cmocka_run_group_tests_name("piston", tests, NULL, NULL);
}
