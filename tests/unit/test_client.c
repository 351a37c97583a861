/* SPDX-License-Identifier: Apache-2.0 */
/* Clients and their limits, with times that the tests choose. */
#include "lb/core/client.h"
#include "tests/unit/check.h"

#include <stdio.h>

#define SECOND ((uint64_t)1000000)
#define DAY (24 * 3600 * SECOND)

static struct client_identity with_key(const char *id, struct client_limits limits)
{
    struct client_identity who = {.limits = limits};
    snprintf(who.key_id, sizeof who.key_id, "%s", id);
    return who;
}

static struct client_identity with_address(uint8_t last, struct client_limits limits)
{
    const uint8_t address[4] = {192, 0, 2, last};
    return (struct client_identity){.address = pe_ip_address_from_v4(address), .limits = limits};
}

/* A job that uses this CPU time. Returns the number of seconds after which the client may try again; 0: the
 * job was let in. */
static unsigned run(struct clients *clients, const struct client_identity *who, uint64_t now_us,
                    uint64_t cpu_us)
{
    struct pe_error err;
    unsigned retry_s = 0;
    struct client *client = client_enter(clients, who, now_us, &retry_s, &err);
    if (!client) {
        assert_int_equal(err.kind, PE_ERR_BUSY);
        return retry_s;
    }
    client_charge(client, cpu_us);
    client_leave(clients, client, now_us);
    return 0;
}

static void cpu_time_is_given_back_a_day_after_the_first_job(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    const struct client_identity who = with_key("a", (struct client_limits){.cpu_s = 10});
    assert_int_equal(run(&clients, &who, SECOND, 4 * SECOND), 0);
    assert_int_equal(run(&clients, &who, 100 * SECOND, 7 * SECOND), 0);
    assert_int_equal(run(&clients, &who, 101 * SECOND, 1), 24 * 3600 - 100 + 1);
    assert_int_equal(run(&clients, &who, DAY + SECOND - 1, 1), 1);
    assert_int_equal(run(&clients, &who, DAY + SECOND, 11 * SECOND), 0);
    assert_int_not_equal(run(&clients, &who, DAY + 2 * SECOND, 1), 0);
    clients_free(&clients);
}

static void a_key_that_reaches_a_limit_does_not_lose_the_others(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    const struct client_identity who = with_key("a", (struct client_limits){.rate = 2, .cpu_s = 1});
    assert_int_equal(run(&clients, &who, SECOND, 2 * SECOND), 0);
    for (int i = 0; i < 5; i++) /* refused for the CPU time, so that none is taken out of the bucket */
        assert_int_not_equal(run(&clients, &who, SECOND, 0), 0);
    assert_int_equal(run(&clients, &who, DAY + SECOND, 0), 0);
    assert_int_equal(run(&clients, &who, DAY + SECOND, 0), 0);
    assert_in_range(run(&clients, &who, DAY + SECOND, 0), 1, 31);
    clients_free(&clients);
}

static void the_limits_of_a_key_are_those_that_it_has_now(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    struct client_identity who = with_key("a", (struct client_limits){.rate = 1});
    assert_int_equal(run(&clients, &who, SECOND, 0), 0);
    assert_int_not_equal(run(&clients, &who, SECOND, 0), 0);
    who.limits.rate = 0;
    assert_int_equal(run(&clients, &who, SECOND, 0), 0);
    clients_free(&clients);
}

static void addresses_are_forgotten_when_they_were_silent_and_keys_are_not(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    const struct client_identity key = with_key("a", (struct client_limits){.rate = 1});
    const struct client_identity old = with_address(1, (struct client_limits){.rate = 1});
    const struct client_identity recent = with_address(2, (struct client_limits){.rate = 1});
    assert_int_equal(run(&clients, &key, SECOND, 0), 0);
    assert_int_equal(run(&clients, &old, SECOND, 0), 0);
    assert_int_equal(run(&clients, &recent, 5 * SECOND, 0), 0);
    clients_forget_idle(&clients, 3 * SECOND);
    assert_int_equal(clients.count, 1);
    assert_int_equal(run(&clients, &old, 6 * SECOND, 0), 0);
    assert_int_not_equal(run(&clients, &recent, 6 * SECOND, 0), 0);
    assert_int_not_equal(run(&clients, &key, 6 * SECOND, 0), 0);
    clients_free(&clients);
}

static void more_addresses_than_are_kept_do_not_displace_a_key(void **state)
{
    (void)state;
    struct clients clients;
    clients_init(&clients);
    const struct client_identity key = with_key("a", (struct client_limits){.rate = 1});
    assert_int_equal(run(&clients, &key, SECOND, 0), 0);
    for (unsigned i = 0; i < 70000; i++) {
        struct client_identity who = {.address = {.bytes = {0x20, 1, 0xd, 0xb8}}};
        memcpy(who.address.bytes + 4, &i, sizeof i);
        assert_int_equal(run(&clients, &who, SECOND, 0), 0);
    }
    assert_int_equal(clients.count, 65536);
    assert_int_not_equal(run(&clients, &key, SECOND, 0), 0);
    clients_free(&clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpu_time_is_given_back_a_day_after_the_first_job),
        cmocka_unit_test(a_key_that_reaches_a_limit_does_not_lose_the_others),
        cmocka_unit_test(the_limits_of_a_key_are_those_that_it_has_now),
        cmocka_unit_test(addresses_are_forgotten_when_they_were_silent_and_keys_are_not),
        cmocka_unit_test(more_addresses_than_are_kept_do_not_displace_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
