/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and classifying IP addresses. Networks and HTTP headers are not handled here. */
#include "base/ip_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct pe_ip_address pe_ip_address_from_v4(const void *bytes)
{
    struct pe_ip_address address;
    memcpy(address.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(address.bytes + sizeof v4_prefix, bytes, 4);
    return address;
}

bool pe_ip_address_parse(const char *text, struct pe_ip_address *address)
{
    uint8_t v4[4];
    if (inet_pton(AF_INET6, text, address->bytes) == 1)
        return true;
    if (inet_pton(AF_INET, text, v4) != 1)
        return false;
    *address = pe_ip_address_from_v4(v4);
    return true;
}

bool pe_ip_address_is_v4(const struct pe_ip_address *address)
{
    return !memcmp(address->bytes, v4_prefix, sizeof v4_prefix);
}

bool pe_ip_address_is_unix(const struct pe_ip_address *address)
{
    static const struct pe_ip_address none;
    return !memcmp(address, &none, sizeof none);
}

struct pe_ip_address pe_ip_address_of_client(const struct pe_ip_address *address)
{
    struct pe_ip_address client = *address;
    if (!pe_ip_address_is_v4(address))
        memset(client.bytes + 8, 0, 8);
    return client;
}

const char *pe_ip_address_print_client(const struct pe_ip_address *client, char text[PE_IP_ADDRESS_TEXT])
{
    char address[INET6_ADDRSTRLEN] = "?";
    bool v4 = pe_ip_address_is_v4(client);
    if (v4)
        inet_ntop(AF_INET, client->bytes + sizeof v4_prefix, address, sizeof address);
    else
        inet_ntop(AF_INET6, client->bytes, address, sizeof address);
    if (pe_ip_address_is_unix(client))
        snprintf(text, PE_IP_ADDRESS_TEXT, "a UNIX socket");
    else
        snprintf(text, PE_IP_ADDRESS_TEXT, "%s%s", address, v4 ? "" : "/64");
    return text;
}
