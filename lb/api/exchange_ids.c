/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of exchanges, and the index of those that clients have chosen. */
#include "lb/api/exchange_ids.h"

#include "base/random_text.h"
#include "lb/api/exchange.h"

#include <search.h>
#include <string.h>

enum { ID_SIZE = 32 }; /* hex digits */

static int compare_ids(const void *left, const void *right)
{
    const struct exchange *a = left, *b = right;
    return memcmp(a->id, b->id, ID_SIZE);
}

static bool is_id(h2o_iovec_t text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.base[i] >= '0' && text.base[i] <= '9') && !(text.base[i] >= 'a' && text.base[i] <= 'f'))
            return false;
    return text.len == ID_SIZE;
}

void exchange_ids_enter(struct exchange *exchange)
{
    void **by_id = &exchange->exchanges->by_id;
    ssize_t at = h2o_find_header_by_str(&exchange->req->headers, H2O_STRLIT("x-request-id"), -1);
    if (at >= 0 && is_id(exchange->req->headers.entries[at].value)) {
        memcpy(exchange->id, exchange->req->headers.entries[at].value.base, ID_SIZE);
        exchange->has_client_id =
            !tfind(exchange, by_id, compare_ids) && tsearch(exchange, by_id, compare_ids);
    }
    if (!exchange->has_client_id)
        pe_pooled_random_hex(exchange->id, ID_SIZE / 2);
}

void exchange_ids_leave(struct exchange *exchange)
{
    if (exchange->has_client_id)
        tdelete(exchange, &exchange->exchanges->by_id, compare_ids);
    exchange->has_client_id = false;
}

struct exchange *exchange_ids_find(const struct exchanges *exchanges, h2o_iovec_t id)
{
    struct exchange wanted;
    if (!is_id(id))
        return NULL;
    memcpy(wanted.id, id.base, ID_SIZE);
    struct exchange *const *found = tfind(&wanted, &exchanges->by_id, compare_ids);
    return found ? *found : NULL;
}
