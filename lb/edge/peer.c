/* Addresses, networks, and the walk through X-Forwarded-For. */
#include "lb/edge/peer.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const struct peer *peer)
{
    return !memcmp(peer->bytes, mapped, sizeof mapped);
}

static bool is_local(const struct peer *peer)
{
    static const struct peer none;
    return !memcmp(peer, &none, sizeof none);
}

/* ---- text ---- */

/* An address without brackets or port. */
static bool parse_address(const char *text, struct peer *peer)
{
    *peer = (struct peer){{0}};
    if (inet_pton(AF_INET6, text, peer->bytes) == 1)
        return true;
    memcpy(peer->bytes, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, peer->bytes + sizeof mapped) == 1;
}

void peer_print(const struct peer *peer, char text[PEER_TEXT_MAX])
{
    if (is_local(peer))
        snprintf(text, PEER_TEXT_MAX, "unix");
    else if (is_mapped(peer))
        inet_ntop(AF_INET, peer->bytes + sizeof mapped, text, PEER_TEXT_MAX);
    else
        inet_ntop(AF_INET6, peer->bytes, text, PEER_TEXT_MAX);
}

static int parse_network(const char *text, struct peer_network *network, struct pe_error *err)
{
    char address[PEER_TEXT_MAX];
    size_t size = strcspn(text, "/");
    snprintf(address, sizeof address, "%.*s", (int)size, text);
    if (size >= sizeof address || !parse_address(address, &network->base))
        return pe_fail(err, PE_ERR_INVALID, "'%s' is neither an address, a network nor 'unix'", text);
    unsigned most = is_mapped(&network->base) ? 32 : 128;
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
        return pe_fail_errno(err, "networks");
    for (size_t i = 0; i < list->count; i++) {
        if (!strcmp(list->items[i], "unix"))
            networks->local = true;
        else if (parse_network(list->items[i], &networks->items[networks->count++], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- requests ---- */

static bool is_inside(const struct peer *peer, const struct peer_network *network)
{
    unsigned body_hash = network->prefix / 8, rest = network->prefix % 8;
    if (memcmp(peer->bytes, network->base.bytes, body_hash) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return rest == 0 || ((peer->bytes[body_hash] ^ network->base.bytes[body_hash]) & mask) == 0;
}

static bool is_trusted(const struct peer_networks *trusted, const struct peer *peer)
{
    if (is_local(peer))
        return trusted->local;
    for (size_t i = 0; i < trusted->count; i++)
        if (is_inside(peer, &trusted->items[i]))
            return true;
    return false;
}

static struct peer peer_of_connection(h2o_req_t *req)
{
    struct sockaddr_storage address = {0};
    struct peer peer = {{0}};
    socklen_t size = req->conn->callbacks->get_peername(req->conn, (struct sockaddr *)&address);
    if (size && address.ss_family == AF_INET) {
        memcpy(peer.bytes, mapped, sizeof mapped);
        memcpy(peer.bytes + sizeof mapped, &((struct sockaddr_in *)&address)->sin_addr, 4);
    } else if (size && address.ss_family == AF_INET6) {
        memcpy(peer.bytes, &((struct sockaddr_in6 *)&address)->sin6_addr, 16);
    }
    return peer;
}

/* Cut the last address off a list; false when there is none that can be read. */
static bool read_last_address(const char *text, size_t *size, struct peer *peer)
{
    char address[PEER_TEXT_MAX];
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
    return parse_address(address, peer);
}

struct peer peer_of_request(const struct peer_networks *trusted, h2o_req_t *req)
{
    struct peer peer = peer_of_connection(req), before;
    if (!is_trusted(trusted, &peer))
        return peer;
    /* The header may come more than once; the last line is the nearest proxy's. */
    for (size_t i = req->headers.size; i-- > 0;) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (!h2o_memis(header->name->base, header->name->len, H2O_STRLIT("x-forwarded-for")))
            continue;
        size_t left = header->value.len;
        while (left) {
            if (!read_last_address(header->value.base, &left, &before))
                return peer;
            peer = before;
            if (!is_trusted(trusted, &peer))
                return peer;
        }
    }
    return peer;
}

struct peer peer_client(const struct peer *peer)
{
    struct peer client = *peer;
    if (!is_mapped(peer))
        memset(client.bytes + 8, 0, 8);
    return client;
}
