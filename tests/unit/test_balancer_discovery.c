/* SPDX-License-Identifier: Apache-2.0 */
/* What --server can name, and the answers of name servers. */
#include "tests/unit/check.h"
#include "worker/balancer_discovery.h"

#include <stdio.h>
#include <string.h>

/* ---- answers of a name server ---- */

struct answer {
    uint8_t bytes[4096];
    size_t size;
};

static void add_number(struct answer *answer, unsigned number)
{
    answer->bytes[answer->size++] = (uint8_t)(number >> 8);
    answer->bytes[answer->size++] = (uint8_t)number;
}

/* A name as labels. */
static void add_name(struct answer *answer, const char *name)
{
    while (*name) {
        size_t length = strcspn(name, ".");
        answer->bytes[answer->size++] = (uint8_t)length;
        memcpy(answer->bytes + answer->size, name, length);
        answer->size += length;
        name += length + (name[length] == '.');
    }
    answer->bytes[answer->size++] = 0;
}

/* The head of an answer with so many records, to a question for `x`. */
static struct answer answer_with(unsigned records)
{
    struct answer answer = {.size = 0};
    const unsigned head[] = {1, 0x8180, 1, records, 0, 0};
    for (size_t i = 0; i < 6; i++)
        add_number(&answer, head[i]);
    add_name(&answer, "x");
    add_number(&answer, 33); /* SRV */
    add_number(&answer, 1);  /* IN */
    return answer;
}

static void add_target(struct answer *answer, unsigned priority, unsigned port, const char *host)
{
    add_name(answer, "x");
    add_number(answer, 33);
    add_number(answer, 1);
    add_number(answer, 0); /* time to live */
    add_number(answer, 60);
    size_t length_at = answer->size;
    add_number(answer, 0);
    add_number(answer, priority);
    add_number(answer, 5); /* weight */
    add_number(answer, port);
    add_name(answer, host);
    answer->bytes[length_at + 1] = (uint8_t)(answer->size - length_at - 2);
}

static int read_answer(const struct answer *answer, struct balancer_list *list)
{
    struct pe_error err;
    *list = (struct balancer_list){.count = 0};
    int failed = balancer_discovery_read_targets(answer->bytes, answer->size, "https", list, &err);
    if (failed)
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
    return failed;
}

static void targets_of_the_lowest_priority_are_balancers_in_a_stable_order(void **state)
{
    (void)state;
    struct balancer_list list;
    struct answer answer = answer_with(4);
    add_target(&answer, 20, 1, "far.example");
    add_target(&answer, 10, 8443, "two.example");
    add_target(&answer, 10, 443, "one.example");
    add_target(&answer, 10, 443, "bad host/path"); /* cannot be in a URL */
    assert_int_equal(read_answer(&answer, &list), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].url, "https://one.example:443");
    assert_string_equal(list.items[1].url, "https://two.example:8443");
    assert_string_equal(list.items[0].address, "");
}

static void more_targets_than_a_worker_has_balancers_are_left_out(void **state)
{
    (void)state;
    struct balancer_list list;
    struct answer answer = answer_with(80);
    char host[32];
    for (int i = 0; i < 80; i++) {
        snprintf(host, sizeof host, "h%02d.example", i);
        add_target(&answer, 1, 80, host);
    }
    assert_int_equal(read_answer(&answer, &list), 0);
    assert_int_equal(list.count, BALANCERS_MAX);
}

static void answers_that_are_cut_are_refused(void **state)
{
    (void)state;
    struct balancer_list list;
    struct answer answer = answer_with(1);
    add_target(&answer, 10, 443, "one.example");
    for (size_t size = answer.size; size-- > 0;) {
        struct answer cut = answer;
        cut.size = size;
        assert_int_equal(read_answer(&cut, &list), -1);
    }
    answer = answer_with(1);
    add_target(&answer, 10, 443, "one.example");
    memset(answer.bytes + answer.size - 13, 0xc0, 13); /* pointers that lead nowhere */
    assert_int_equal(read_answer(&answer, &list), -1);
}

/* ---- --server ---- */

static int make(const char *server, struct balancer_list *list, struct pe_error *err)
{
    return balancer_list_make(&server, 1, list, err);
}

static void servers_are_urls_paths_or_services(void **state)
{
    (void)state;
    struct balancer_list list;
    struct pe_error err;
    const char *const several[] = {"http://127.0.0.1:1", "https://lb.example", "unix:/run/lb",
                                   "http+srv://x.example", "http://127.0.0.1:1"};
    assert_int_equal(balancer_list_make(several, 5, &list, &err), 0);
    assert_int_equal(list.count, 3); /* one is there twice, and a service has to be looked up */
    assert_true(balancer_is_name("https://lb.example") && balancer_is_name("http+srv://x.example"));
    assert_false(balancer_is_name("http://127.0.0.1:1") || balancer_is_name("https://[::1]:8443") ||
                 balancer_is_name("unix:/run/lb"));
    assert_int_equal(make("ftp://x", &list, &err), -1);
    assert_error(err, PE_ERR_INVALID, "--server ftp://x is no balancer");
    assert_int_equal(make("http://", &list, &err), -1);
    assert_int_equal(make("http://:80", &list, &err), -1);
    assert_int_equal(make("unix:", &list, &err), -1);
    assert_int_equal(make("lb.example:8080", &list, &err), -1);
}

static void too_many_balancers_are_refused(void **state)
{
    (void)state;
    struct balancer_list list;
    struct pe_error err;
    char urls[BALANCERS_MAX + 1][32];
    const char *servers[BALANCERS_MAX + 1];
    for (int i = 0; i <= BALANCERS_MAX; i++) {
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.%d", i);
        servers[i] = urls[i];
    }
    assert_int_equal(balancer_list_make(servers, BALANCERS_MAX, &list, &err), 0);
    assert_int_equal(balancer_list_make(servers, BALANCERS_MAX + 1, &list, &err), -1);
    assert_error(err, PE_ERR_INVALID, "at most 8 balancers");
}

/* ---- lists of a process that was taken over ---- */

static int take(const struct balancer_list *written, struct balancer_list *list)
{
    struct pe_error err;
    static const char *const servers[] = {"http+srv://x.example", "unix:/run/lb"};
    int failed = balancer_list_take(written, servers, 2, list, &err);
    if (failed)
        assert_int_equal(err.kind, PE_ERR_MALFORMED);
    return failed;
}

static void a_list_of_another_process_has_balancers_and_nothing_else(void **state)
{
    (void)state;
    struct balancer_list list = {.count = 0}, good = {.count = 0}, bad;
    assert_true(balancer_list_add(&good, "https://a.example:8443", "fe80::1%eth0") &&
                balancer_list_add(&good, "unix:/run/lb", ""));
    strcpy(good.items[5].url, "behind the end");
    assert_int_equal(take(&good, &list), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[5].url, "");
    bad = good;
    bad.count = BALANCERS_MAX + 1;
    assert_int_equal(take(&bad, &list), -1);
    bad = good;
    memset(bad.items[0].url, 'h', sizeof bad.items[0].url);
    assert_int_equal(take(&bad, &list), -1);
    bad = good;
    memset(bad.items[0].address, '1', sizeof bad.items[0].address);
    assert_int_equal(take(&bad, &list), -1);
    static const char *const urls[] = {"unix:/run/other", "http+srv://y.example", "file:///etc/shadow", ""};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        bad = good;
        strcpy(bad.items[1].url, urls[i]);
        assert_int_equal(take(&bad, &list), -1);
    }
    bad = good;
    strcpy(bad.items[0].address, "b.example");
    assert_int_equal(take(&bad, &list), -1);
    assert_int_equal(list.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_of_the_lowest_priority_are_balancers_in_a_stable_order),
        cmocka_unit_test(more_targets_than_a_worker_has_balancers_are_left_out),
        cmocka_unit_test(answers_that_are_cut_are_refused),
        cmocka_unit_test(servers_are_urls_paths_or_services),
        cmocka_unit_test(too_many_balancers_are_refused),
        cmocka_unit_test(a_list_of_another_process_has_balancers_and_nothing_else),
    };
    return cmocka_run_group_tests_name("balancer_discovery", tests, NULL, NULL);
}
