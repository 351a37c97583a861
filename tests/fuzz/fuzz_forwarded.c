/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a client behind proxies. The first line of the input has trusted networks, divided by
 * blanks, the second line is the address of the connection, and the others are headers. Without trust
 * it is the address of the connection; otherwise that, or one that X-Forwarded-For has. */
#include "lb/edge/peer.h"
#include "tests/fuzz/fake_request.h"

#include <arpa/inet.h>

enum { NETWORKS_MAX = 8 };

static const struct fake_request *current;

/* In the place of libh2o's function. */
socklen_t h2o_socket_getpeername(h2o_socket_t *sock, struct sockaddr *address)
{
    (void)sock;
    memcpy(address, &current->peer, current->peer_size);
    return current->peer_size;
}

static void set_peer(struct fake_request *fake, const char *text, struct pe_ip_address *address)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&fake->peer;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&fake->peer;
    memset(address, 0, sizeof *address);
    fake->peer.ss_family = AF_UNIX;
    fake->peer_size = sizeof fake->peer.ss_family;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        fake->peer_size = sizeof *v4;
        *address = pe_ip_address_from_v4(&v4->sin_addr);
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        fake->peer_size = sizeof *v6;
        memcpy(address->bytes, &v6->sin6_addr, 16);
    }
}

static bool same(const struct pe_ip_address *a, const struct pe_ip_address *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* Whether an X-Forwarded-For header has this address among its items. */
static bool is_forwarded(const h2o_req_t *req, const struct pe_ip_address *address)
{
    bool found = false;
    for (size_t i = 0; i < req->headers.size; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (!h2o_memis(header->name->base, header->name->len, H2O_STRLIT("x-forwarded-for")))
            continue;
        char *text = fuzz_text(header->value.base, header->value.len);
        char *rest = text;
        for (char *item = NULL; (item = strsep(&rest, ", \t"));) {
            struct pe_ip_address one;
            found |= pe_ip_address_parse(item, &one) && same(&one, address);
        }
        free(text);
    }
    return found;
}

static int read_networks(char *text, struct peer_networks *networks)
{
    const char *items[NETWORKS_MAX];
    struct pe_option_list list = {.items = items};
    struct pe_error err;
    for (char *rest = text, *item = NULL; list.count < NETWORKS_MAX && (item = strsep(&rest, " "));)
        if (*item)
            items[list.count++] = item;
    int failed = peer_networks_parse(&list, networks, &err);
    for (size_t i = 0; !failed && i < networks->count; i++)
        HOLDS(networks->items[i].prefix <= 128);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    char *networks_text = fuzz_line(&rest), *connection = fuzz_line(&rest);
    struct peer_networks trusted = {0};
    static const struct peer_networks nobody;
    struct pe_ip_address address;
    struct fake_request fake;
    current = &fake;
    fake_begin(&fake);
    set_peer(&fake, connection, &address);
    fake_add_headers(&fake, rest);
    if (read_networks(networks_text, &trusted) == 0) {
        struct pe_ip_address found = peer_of_request(&trusted, &fake.req);
        HOLDS(same(&found, &address) || is_forwarded(&fake.req, &found));
        found = peer_of_request(&nobody, &fake.req);
        HOLDS(same(&found, &address));
    }
    free(trusted.items);
    free(networks_text);
    free(connection);
    fake_end(&fake);
    return 0;
}
