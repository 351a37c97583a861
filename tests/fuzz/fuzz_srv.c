/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of name servers. Of any bytes, only URLs of hosts come out. Of an answer that is made here, exactly
 * the targets of the lowest priority do. */
#include "tests/fuzz/fuzz.h"
#include "worker/balancer_discovery.h"
#include "worker/balancer_link.h"

#include <ctype.h>

/* The process that looks names up does not run here. */
int balancer_link_drop_rights(const struct worker_config *config, pid_t parent, const char *purpose,
                              struct pe_error *err)
{
    (void)config, (void)parent, (void)purpose, (void)err;
    return -1;
}

/* A URL is the scheme, a host of characters that need no quotes, and a port. */
static void check_url(const char *url)
{
    HOLDS(!strncmp(url, "https://", 8));
    const char *host = url + 8, *colon = strrchr(url, ':');
    HOLDS(colon > host);
    for (const char *at = host; at < colon; at++)
        HOLDS(isalnum((unsigned char)*at) || strchr("-._", *at));
    size_t digits = strspn(colon + 1, "0123456789");
    HOLDS(digits && !colon[1 + digits] && strtoul(colon + 1, NULL, 10) <= 65535);
}

static void check_list(const struct balancer_list *list)
{
    HOLDS(list->count <= BALANCERS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        check_url(list->items[i].url);
        HOLDS(!list->items[i].address[0]);
        HOLDS(i == 0 || strcmp(list->items[i - 1].url, list->items[i].url) < 0);
    }
}

/* ---- an answer with targets ---- */

enum { TARGETS_MAX = 6, RECORD_SIZE = 32 };

struct answer {
    uint8_t bytes[12 + TARGETS_MAX * RECORD_SIZE];
    size_t size;
};

static void put16(struct answer *answer, unsigned number)
{
    answer->bytes[answer->size++] = (uint8_t)(number >> 8);
    answer->bytes[answer->size++] = (uint8_t)number;
}

/* The name of target I is "h" and a digit, in one label. */
static void put_target(struct answer *answer, unsigned priority, unsigned port, unsigned host)
{
    answer->bytes[answer->size++] = 0; /* the owner: the root */
    put16(answer, 33);                 /* SRV */
    put16(answer, 1);                  /* IN */
    put16(answer, 0);
    put16(answer, 60);
    put16(answer, 10); /* bytes of data */
    put16(answer, priority);
    put16(answer, 0);
    put16(answer, port);
    memcpy(answer->bytes + answer->size, (const uint8_t[]){2, 'h', (uint8_t)('0' + host), 0}, 4);
    answer->size += 4;
}

/* The input says priority, port and host of each target. */
static void check_made(struct pe_cursor rest)
{
    unsigned count = fuzz_byte(&rest) % (TARGETS_MAX + 1), lowest = 256;
    unsigned priorities[TARGETS_MAX], ports[TARGETS_MAX], hosts[TARGETS_MAX];
    struct answer answer = {.size = 0};
    struct balancer_list list = {.count = 0};
    struct pe_error err;
    put16(&answer, 1);
    put16(&answer, 0x8180);
    put16(&answer, 0);
    put16(&answer, count);
    put16(&answer, 0);
    put16(&answer, 0);
    for (unsigned i = 0; i < count; i++) {
        priorities[i] = fuzz_byte(&rest) % 4;
        ports[i] = fuzz_byte(&rest);
        hosts[i] = fuzz_byte(&rest) % 10;
        lowest = priorities[i] < lowest ? priorities[i] : lowest;
        put_target(&answer, priorities[i], ports[i], hosts[i]);
    }
    HOLDS(balancer_discovery_read_targets(answer.bytes, answer.size, "https", &list, &err) == 0);
    check_list(&list);
    size_t expected = 0;
    for (unsigned i = 0; i < count; i++) {
        char url[32];
        bool found = false, is_repeated = false;
        snprintf(url, sizeof url, "https://h%u:%u", hosts[i], ports[i]);
        for (size_t k = 0; k < list.count; k++)
            found |= !strcmp(list.items[k].url, url);
        for (unsigned k = 0; k < i; k++)
            is_repeated |= priorities[k] == lowest && ports[k] == ports[i] && hosts[k] == hosts[i];
        HOLDS(found || priorities[i] != lowest);
        expected += priorities[i] == lowest && !is_repeated;
    }
    HOLDS(list.count == expected);
}

static void check_any(struct pe_cursor rest)
{
    struct balancer_list list = {.count = 0};
    struct pe_error err;
    char *copy = fuzz_text(rest.at, rest.left);
    if (balancer_discovery_read_targets((const uint8_t *)copy, rest.left, "https", &list, &err) == 0)
        check_list(&list);
    else
        HOLDS(err.kind == PE_ERR_MALFORMED && list.count == 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    if (fuzz_byte(&rest) == 'm')
        check_made(rest);
    else
        check_any(rest);
    return 0;
}
