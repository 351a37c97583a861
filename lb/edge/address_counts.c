/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of addresses. What follows from a count is decided in connection.c. */
#include "lb/edge/address_counts.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    const struct address_count *a = left, *b = right;
    return memcmp(&a->address, &b->address, sizeof a->address);
}

static struct address_count *add_address(struct address_counts *counts, const struct pe_ip_address *address)
{
    struct address_count *count = calloc(1, sizeof *count);
    if (!count)
        return NULL;
    count->address = *address;
    pe_list_init(&count->idle);
    if (tsearch(count, &counts->tree, compare))
        return count;
    free(count);
    return NULL;
}

struct address_count *address_counts_add(struct address_counts *counts, const struct pe_ip_address *address)
{
    const struct address_count wanted = {.address = pe_ip_address_of_client(address)};
    struct address_count *const *found = tfind(&wanted, &counts->tree, compare);
    struct address_count *count = found ? *found : add_address(counts, &wanted.address);
    if (count)
        count->count++;
    return count;
}

void address_counts_remove(struct address_counts *counts, struct address_count *count)
{
    if (--count->count)
        return;
    tdelete(count, &counts->tree, compare);
    free(count);
}
