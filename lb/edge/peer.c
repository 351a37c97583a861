/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of trusted proxies, and the search through X-Forwarded-For. */
#include "lb/edge/peer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_TEXT_MAX = 46 }; /* INET6_ADDRSTRLEN */

/* ---- networks ---- */

static int parse_network(const char *text, struct peer_network *network, struct pe_error *err)
{
    char address[ADDRESS_TEXT_MAX];
    size_t size = strcspn(text, "/");
    snprintf(address, sizeof address, "%.*s", (int)size, text);
    if (size >= sizeof address || !pe_ip_address_parse(address, &network->base))
        return pe_fail(err, PE_ERR_INVALID, "'%s' is neither an address, a network nor 'unix'", text);
    unsigned most = pe_ip_address_is_v4(&network->base) ? 32 : 128;
    unsigned long bits = most;
    char *end = NULL;
    if (text[size])
        bits = strtoul(text + size + 1, &end, 10);
    if (bits > most || (end && (*end || end == text + size + 1)))
        return pe_fail(err, PE_ERR_INVALID, "'%s': the prefix of a network has 0 to %u bits", text, most);
    network->prefix = (unsigned)bits + 128 - most;
    return 0;
}

int peer_networks_parse(const struct pe_option_list *list, struct peer_networks *networks,
                        struct pe_error *err)
{
    networks->items = calloc(list->count + 1, sizeof *networks->items);
    if (!networks->items)
        return pe_fail_errno(err, "cannot keep %zu trusted networks", list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (!strcmp(list->items[i], "unix"))
            networks->local = true;
        else if (parse_network(list->items[i], &networks->items[networks->count++], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- requests ---- */

static bool is_inside(const struct pe_ip_address *peer, const struct peer_network *network)
{
    unsigned full_bytes = network->prefix / 8, rest = network->prefix % 8;
    if (memcmp(peer->bytes, network->base.bytes, full_bytes) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return rest == 0 || ((peer->bytes[full_bytes] ^ network->base.bytes[full_bytes]) & mask) == 0;
}

bool peer_is_trusted(const struct peer_networks *trusted, const struct pe_ip_address *peer)
{
    if (pe_ip_address_is_unix(peer))
        return trusted->local;
    for (size_t i = 0; i < trusted->count; i++)
        if (is_inside(peer, &trusted->items[i]))
            return true;
    return false;
}

struct pe_ip_address peer_of_socket(h2o_socket_t *sock)
{
    struct sockaddr_storage address = {0};
    struct pe_ip_address peer = {{0}};
    const struct in_addr unknown = {0};
    socklen_t size = h2o_socket_getpeername(sock, (struct sockaddr *)&address);
    if (!size) /* it has reset the connection already; it must not count as a UNIX socket */
        peer = pe_ip_address_from_v4(&unknown);
    else if (address.ss_family == AF_INET)
        peer = pe_ip_address_from_v4(&((struct sockaddr_in *)&address)->sin_addr);
    else if (address.ss_family == AF_INET6)
        memcpy(peer.bytes, &((struct sockaddr_in6 *)&address)->sin6_addr, 16);
    return peer;
}

/* Read the last address of a list and shorten `size` to the part before it. Returns false if it
 * is no address. */
static bool read_last_address(const char *text, size_t *size, struct pe_ip_address *peer)
{
    char address[ADDRESS_TEXT_MAX];
    size_t end = *size;
    while (end && strchr(" \t", text[end - 1]))
        end--;
    size_t start = end;
    while (start && text[start - 1] != ',')
        start--;
    *size = start ? start - 1 : 0;
    while (start < end && strchr(" \t", text[start]))
        start++;
    if (end - start >= sizeof address)
        return false;
    memcpy(address, text + start, end - start);
    address[end - start] = '\0';
    return pe_ip_address_parse(address, peer);
}

struct pe_ip_address peer_of_request(const struct peer_networks *trusted, h2o_req_t *req)
{
    struct pe_ip_address peer = peer_of_socket(req->conn->callbacks->get_socket(req->conn)), previous;
    if (!peer_is_trusted(trusted, &peer))
        return peer;
    /* The header may be sent more than once. The last line was added by the nearest proxy. */
    for (size_t i = req->headers.size; i-- > 0;) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (!h2o_memis(header->name->base, header->name->len, H2O_STRLIT("x-forwarded-for")))
            continue;
        size_t left = header->value.len;
        while (left) {
            if (!read_last_address(header->value.base, &left, &previous))
                return peer;
            peer = previous;
            if (!peer_is_trusted(trusted, &peer))
                return peer;
        }
    }
    return peer;
}
