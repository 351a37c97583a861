/* SPDX-License-Identifier: Apache-2.0 */
/* What commands and the owner of a VM say to each other over the socket control.sock, one packet at a time
 * (SOCK_SEQPACKET). A command sends a request, a JSON object with the member `command`, and the owner answers
 * with an object that has `error` if it failed. After the answer to some requests, packets with a first byte
 * of enum talk_packet follow in both directions. */
#ifndef PE_VM_TALK_H
#define PE_VM_TALK_H

#include "base/error.h"
#include "vm/name.h"
#include "vm/place.h"

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#define TALK_PACKET_MAX 180000u /* bytes */
#define TALK_PIECE_MAX 1024u    /* bytes of input in one packet */

enum talk_packet {
    TALK_OUTPUT = 'O',   /* of a command, or of the console */
    TALK_ERRORS = 'E',   /* of a command */
    TALK_EXIT = 'X',     /* the payload of AGENT_EXIT */
    TALK_ACCEPTED = 'A', /* the last input was passed on */
    TALK_INPUT = 'I',    /* for a command, or for the console */
    TALK_INPUT_END = 'C',
    TALK_KILL = 'K',
};

/* Listen on the socket of a VM. The caller owns the descriptor. PE_ERR_INVALID if the path is too long for a
 * socket, else PE_ERR_INTERNAL. */
int talk_listen(const struct place *place, const struct vmname *name, struct pe_error *err) PE_MUST_CHECK;

/* Connect to the owner of a VM. The caller owns the descriptor. PE_ERR_INVALID if it does not run,
 * PE_ERR_NOT_FOUND if there is no such VM, PE_ERR_INTERNAL if it cannot be connected. */
int talk_connect(const struct place *place, const struct vmname *name, struct pe_error *err) PE_MUST_CHECK;

/* Send JSON, to which the caller's reference is dropped; NULL stands for memory that ran out.
 * PE_ERR_TOO_LARGE beyond TALK_PACKET_MAX, PE_ERR_INTERNAL for NULL or if send(2) fails. */
int talk_send(int socket, json_t *json, struct pe_error *err) PE_MUST_CHECK;

/* Send a failure as an answer. Fails as talk_send does. */
int talk_send_error(int socket, const struct pe_error *failure, struct pe_error *err) PE_MUST_CHECK;

/* Wait for JSON. The caller owns it. PE_ERR_LOST if the other end is closed or took too long,
 * PE_ERR_MALFORMED if it is not an object. An answer with a failure becomes that failure. */
int talk_receive(int socket, json_t **json, struct pe_error *err) PE_MUST_CHECK;

/* Send a packet that begins with `type`. Returns 0, or -1 with errno. */
int talk_send_packet(int socket, enum talk_packet type, const void *bytes, size_t size);

/* Send a request to the owner of a VM and wait for the answer, which the caller owns. `request` is consumed,
 * also after a failure. Fails as talk_connect, talk_send and talk_receive do. */
int talk_ask(const struct place *place, const struct vmname *name, json_t *request, json_t **answer,
             struct pe_error *err) PE_MUST_CHECK;

/* The same, but no step of it waits longer than `patience_ms` milliseconds. Fails with PE_ERR_LOST then. */
int talk_ask_within(const struct place *place, const struct vmname *name, json_t *request,
                    unsigned patience_ms, json_t **answer, struct pe_error *err) PE_MUST_CHECK;

#endif
