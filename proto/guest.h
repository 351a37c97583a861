/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the worker and the guest agree on (proto/guest-contract.md). */
#ifndef PE_PROTO_GUEST_H
#define PE_PROTO_GUEST_H

/* The name of the machine in every container: `hostname` of config.json, and in /etc/hosts. */
#define PE_GUEST_HOSTNAME "pe"

#endif
