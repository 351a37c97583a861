/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) without a library and without memory of its own, for static programs in the guest.
 * codec/sha256.h is faster. */
#ifndef PE_CODEC_SHA256_PLAIN_H
#define PE_CODEC_SHA256_PLAIN_H

#include <stddef.h>
#include <stdint.h>

enum { PE_SHA256_PLAIN_HEX_SIZE = 65 }; /* 64 digits and the NUL */

/* A hash that is computed piece by piece. */
struct pe_sha256_plain {
    uint32_t state[8];
    uint8_t block[64]; /* bytes that do not fill a block yet */
    uint64_t size;     /* of all bytes so far */
};

/* Begin a hash. */
void pe_sha256_plain_begin(struct pe_sha256_plain *hash);

/* Add bytes. */
void pe_sha256_plain_add(struct pe_sha256_plain *hash, const void *bytes, size_t size);

/* End the hash and write it as lower-case hex digits. */
void pe_sha256_plain_end(struct pe_sha256_plain *hash, char hex[PE_SHA256_PLAIN_HEX_SIZE]);

#endif
