/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) by OpenSSL, and its two textual forms: 64 lower-case hex digits, and the
 * "digest" of the OCI image specification (descriptor.md#digests), which is "sha256:" in front of
 * these digits. All failures are PE_ERR_INTERNAL. */
#ifndef PE_CODEC_SHA256_H
#define PE_CODEC_SHA256_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define PE_SHA256_BYTES 32u
#define PE_SHA256_HEX_SIZE 65u /* 64 digits and the NUL */
#define PE_SHA256_PREFIX "sha256:"
#define PE_SHA256_DIGEST_SIZE (PE_SHA256_HEX_SIZE + sizeof PE_SHA256_PREFIX - 1)

/* True if `text` is exactly 64 lower-case hex digits. */
bool pe_sha256_hex_valid(const char *text);

/* True if `text` is exactly "sha256:" and 64 lower-case hex digits. Other algorithms are not
 * supported. */
bool pe_sha256_digest_valid(const char *text);

/* The hash of `size` bytes in memory, as hex digits or as an OCI digest. Fails if OpenSSL does. */
int pe_sha256_hex(const void *bytes, size_t size, char hex[PE_SHA256_HEX_SIZE],
                  struct pe_error *err) PE_MUST_CHECK;
int pe_sha256_digest(const void *bytes, size_t size, char digest[PE_SHA256_DIGEST_SIZE],
                     struct pe_error *err) PE_MUST_CHECK;

/* The OCI digest of a file's content. The error names the path if the file cannot be read. */
int pe_sha256_file_digest(const char *path, char digest[PE_SHA256_DIGEST_SIZE],
                          struct pe_error *err) PE_MUST_CHECK;

/* A hash that is computed piece by piece. */
struct pe_sha256;

/* Begin a hash. NULL without memory. The caller frees it. */
struct pe_sha256 *pe_sha256_new(struct pe_error *err) PE_MUST_CHECK;

/* Free a hash. NULL is allowed. */
void pe_sha256_free(struct pe_sha256 *hash);

/* Add bytes. A failure of OpenSSL is remembered and reported by the function that ends the hash. */
void pe_sha256_add(struct pe_sha256 *hash, const void *bytes, size_t size);

/* Add a text with its NUL, so that two different lists of texts never are the same bytes. */
void pe_sha256_add_text(struct pe_sha256 *hash, const char *text);

/* Add the whole content of a file. The error names the path if the file cannot be read. */
int pe_sha256_add_file(struct pe_sha256 *hash, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* End the hash and write it as hex digits or as an OCI digest. Nothing can be added afterwards. Fails if
 * OpenSSL has failed since the beginning. */
int pe_sha256_end_hex(struct pe_sha256 *hash, char hex[PE_SHA256_HEX_SIZE],
                      struct pe_error *err) PE_MUST_CHECK;
int pe_sha256_end_digest(struct pe_sha256 *hash, char digest[PE_SHA256_DIGEST_SIZE],
                         struct pe_error *err) PE_MUST_CHECK;

/* For pe_autosha256. */
static inline void pe_sha256_cleanup(struct pe_sha256 **hash)
{
    pe_sha256_free(*hash);
}
#define pe_autosha256 __attribute__((cleanup(pe_sha256_cleanup)))

#endif
