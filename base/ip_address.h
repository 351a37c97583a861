/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses as plain values that can be compared with memcmp. */
#ifndef PE_BASE_IP_ADDRESS_H
#define PE_BASE_IP_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/* An address in network byte order. IPv4 is stored as an IPv4-mapped IPv6 address (RFC 4291 section
 * 2.5.5.2). All zeros stands for the other end of a UNIX socket. */
struct pe_ip_address {
    uint8_t bytes[16];
};

/* Read an IPv4 or IPv6 address without brackets, zone or port. Returns false if `text` is
 * neither; the content of `address` is then undefined. */
bool pe_ip_address_parse(const char *text, struct pe_ip_address *address);

/* Store the four bytes of an IPv4 address, given in network byte order. */
struct pe_ip_address pe_ip_address_from_v4(const void *bytes);

/* Whether the address is an IPv4 address. */
bool pe_ip_address_is_v4(const struct pe_ip_address *address);

/* Whether the address stands for the other end of a UNIX socket. */
bool pe_ip_address_is_unix(const struct pe_ip_address *address);

/* What stands for all addresses of one client: an IPv4 address, or the first 64 bits of an IPv6
 * address, because a subscriber usually has a whole /64 network. */
struct pe_ip_address pe_ip_address_of_client(const struct pe_ip_address *address);

/* Enough for the text of every address, with its NUL. */
enum { PE_IP_ADDRESS_TEXT = 64 };

/* Write what pe_ip_address_of_client() returned as text: "192.0.2.1", "2001:db8::/64", or "a UNIX
 * socket". Returns `text`. */
const char *pe_ip_address_print_client(const struct pe_ip_address *client, char text[PE_IP_ADDRESS_TEXT]);

#endif
