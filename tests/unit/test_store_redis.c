/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis. What a balancer does with a real one is in tests/lb/test_cache.py. */
#include "lb/core/store_redis_reply.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>

static int parse(const char *text, struct redis_reply *reply)
{
    struct pe_error err;
    int complete = redis_reply_parse((const uint8_t *)text, strlen(text), reply, &err);
    if (complete < 0)
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
    return complete;
}

static void replies_are_read_when_they_are_complete(void **state)
{
    (void)state;
    static const char value[] = "$5\r\na\r\nb\0\r\n";
    struct redis_reply reply;
    struct pe_error err;
    for (size_t size = 0; size < sizeof value - 1; size++)
        assert_int_equal(redis_reply_parse((const uint8_t *)value, size, &reply, &err), 0);
    assert_int_equal(redis_reply_parse((const uint8_t *)value, sizeof value - 1, &reply, &err), 1);
    assert_int_equal(reply.kind, REDIS_VALUE);
    assert_int_equal(reply.size, 5);
    assert_memory_equal(reply.bytes, "a\r\nb\0", 5);
    assert_int_equal(parse("$-1\r\n", &reply), 1);
    assert_int_equal(reply.kind, REDIS_NOTHING);
    assert_int_equal(parse("$0\r\n\r\n", &reply), 1);
    assert_int_equal(reply.kind, REDIS_VALUE);
    assert_int_equal(parse("+OK\r\n", &reply), 1);
    assert_int_equal(reply.kind, REDIS_OK);
    assert_int_equal(parse(":1\r\n", &reply), 1);
    assert_int_equal(reply.kind, REDIS_OK);
    assert_int_equal(parse("-NOAUTH x\r\nmore", &reply), 1);
    assert_int_equal(reply.kind, REDIS_ERROR);
    assert_int_equal(reply.length, 11);
}

static void replies_that_are_hostile_are_refused(void **state)
{
    (void)state;
    struct redis_reply reply;
    static const char *const wrong[] = {"\r\n",
                                        "\n",
                                        "+OK\n",
                                        ":\r\n",
                                        ":-1\r\n",
                                        ":1x\r\n",
                                        "*1\r\n",
                                        "$\r\n",
                                        "$-2\r\n",
                                        "$--1\r\n",
                                        "$1000001\r\n",
                                        "$99999999\r\n",
                                        "$18446744073709551615\r\n",
                                        "$1x\r\n",
                                        "$1\r\nabcd",
                                        "$+1\r\na\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (parse(wrong[i], &reply) != -1)
            fail_msg("reply %zu was read", i);
    char line[REDIS_LINE_MAX + 3];
    memset(line, '+', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    assert_int_equal(parse(line, &reply), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read_when_they_are_complete),
        cmocka_unit_test(replies_that_are_hostile_are_refused),
    };
    return cmocka_run_group_tests_name("store_redis", tests, NULL, NULL);
}
