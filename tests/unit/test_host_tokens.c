/* SPDX-License-Identifier: Apache-2.0 */
/* The file of host tokens: a host that has joined must not be lost. tests/lb has the balancer. */
#include "lb/edge/host_tokens.h"
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/pe-test-tokens-XXXXXX";
static struct host_tokens tokens;

static int set_up(void **state)
{
    struct pe_error err;
    struct host_token token = {.created = 1, .expires = 2, .joined = 3, .seen = 4, .left = 5};
    (void)state;
    memset(token.code, 'a', sizeof token.code - 1);
    memset(token.token, 'b', sizeof token.token - 1);
    for (int i = 0; i < 3; i++) {
        snprintf(token.host, sizeof token.host, "host-%d", i);
        if (host_tokens_add(&tokens, &token, &err) < 0)
            return -1;
    }
    return mkdtemp(folder) ? 0 : -1;
}

/* Fails if something else than the file is left. */
static int tear_down(void **state)
{
    char file[64];
    (void)state;
    host_tokens_free(&tokens);
    snprintf(file, sizeof file, "%s/tokens.json", folder);
    return unlink(file) == 0 ? rmdir(folder) : -1;
}

static void assert_store_is_complete(void)
{
    struct pe_error err;
    struct host_tokens read;
    if (host_tokens_read(folder, &read, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(read.count, tokens.count);
    for (size_t i = 0; i < read.count; i++) {
        assert_string_equal(read.items[i].host, tokens.items[i].host);
        assert_string_equal(read.items[i].token, tokens.items[i].token);
        assert_int_equal(read.items[i].left, tokens.items[i].left);
    }
    host_tokens_free(&read);
}

static void the_file_has_all_hosts_or_is_not_written_without_memory(void **state)
{
    struct pe_error err;
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        int written = host_tokens_write(folder, &tokens, &err);
        failed = feed_json();
        if (written < 0)
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
        else
            assert_store_is_complete();
    }
}

static void a_file_without_room_leaves_the_old_one_and_nothing_else(void **state)
{
    struct pe_error err;
    struct rlimit before;
    (void)state;
    assert_int_equal(host_tokens_write(folder, &tokens, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit little = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    int written = host_tokens_write(folder, &tokens, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    assert_int_equal(written, -1);
    assert_error(err, PE_ERR_INTERNAL, "File too large");
    assert_store_is_complete();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_has_all_hosts_or_is_not_written_without_memory),
        cmocka_unit_test(a_file_without_room_leaves_the_old_one_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
