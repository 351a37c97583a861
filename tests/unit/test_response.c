/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of a server that would cost pe-run much memory. That others are understood is tested in tests/cli.
 */
#include "cli/response.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static void append(struct pe_buf *text, const char *more)
{
    struct pe_error err;
    assert_int_equal(pe_buf_append(text, more, strlen(more), &err), 0);
}

/* `before`, a member that no version has with so many values, and `after`. */
static struct http_reply reply_with(const char *type, const char *before, size_t values, const char *after)
{
    struct http_reply reply = {.status = 200};
    snprintf(reply.content_type, sizeof reply.content_type, "%s", type);
    append(&reply.body, before);
    append(&reply.body, "{\"status\": \"exited\", \"exit_code\": 0, \"more\": [0");
    for (size_t i = 1; i < values; i++)
        append(&reply.body, ",0");
    append(&reply.body, "]}");
    append(&reply.body, after);
    return reply;
}

static int read_json(size_t values, struct pe_error *err)
{
    struct response response;
    http_autoreply struct http_reply reply = reply_with("application/json", "", values, "");
    int failed = response_read_json(&reply, &response, err);
    response_free(&response);
    return failed;
}

static int read_form(size_t values, struct pe_error *err)
{
    struct response response;
    http_autoreply struct http_reply reply =
        reply_with("multipart/form-data; boundary=b",
                   "--b\r\nContent-Disposition: form-data; name=\"result\"\r\n\r\n", values, "\r\n--b--\r\n");
    int failed = response_read(&reply, &response, err);
    response_free(&response);
    return failed;
}

static void members_that_are_unknown_are_ignored(void **state)
{
    (void)state;
    struct pe_error err = {0};
    if (read_json(1000, &err) < 0 || read_form(1000, &err) < 0)
        fail_msg("%s", err.message);
}

static void a_result_with_too_many_values_is_refused_before_it_is_a_tree(void **state)
{
    (void)state;
    struct pe_error err = {0};
    assert_int_equal(read_json(HTTP_JSON_VALUES_MAX, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "the server's reply is broken: its result is not JSON");
    assert_int_equal(read_form(HTTP_JSON_VALUES_MAX, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "the server's reply is broken: its result is not JSON");
}

static void an_empty_reply_is_no_json(void **state)
{
    (void)state;
    assert_null(http_read_json(NULL, 0, 0));
    assert_null(http_read_json("", 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_are_unknown_are_ignored),
        cmocka_unit_test(a_result_with_too_many_values_is_refused_before_it_is_a_tree),
        cmocka_unit_test(an_empty_reply_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
