/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 with OpenSSL's EVP interface. The guest's programs do not link this file, nor libcrypto.
 */
#include "codec/sha256.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

struct pe_sha256 {
    EVP_MD_CTX *context; /* owned */
    bool failed;
};

/* ---- textual forms ---- */

bool pe_sha256_hex_valid(const char *text)
{
    const size_t digits = PE_SHA256_HEX_SIZE - 1;
    return strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}

bool pe_sha256_digest_valid(const char *text)
{
    const size_t prefix = strlen(PE_SHA256_PREFIX);
    return !strncmp(text, PE_SHA256_PREFIX, prefix) && pe_sha256_hex_valid(text + prefix);
}

static void write_hex(const uint8_t bytes[PE_SHA256_BYTES], char hex[PE_SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < PE_SHA256_BYTES; i++) {
        *hex++ = digits[bytes[i] >> 4];
        *hex++ = digits[bytes[i] & 15];
    }
    *hex = '\0';
}

/* ---- piece by piece ---- */

struct pe_sha256 *pe_sha256_new(struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = calloc(1, sizeof *hash);
    if (hash)
        hash->context = EVP_MD_CTX_new();
    if (!hash || !hash->context || !EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL)) {
        pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not begin a SHA-256 hash");
        return NULL;
    }
    struct pe_sha256 *result = hash;
    hash = NULL;
    return result;
}

void pe_sha256_free(struct pe_sha256 *hash)
{
    if (hash)
        EVP_MD_CTX_free(hash->context);
    free(hash);
}

void pe_sha256_add(struct pe_sha256 *hash, const void *bytes, size_t size)
{
    if (!EVP_DigestUpdate(hash->context, bytes, size))
        hash->failed = true;
}

void pe_sha256_add_text(struct pe_sha256 *hash, const char *text)
{
    pe_sha256_add(hash, text, strlen(text) + 1);
}

int pe_sha256_add_file(struct pe_sha256 *hash, const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    pe_autofree uint8_t *bytes = malloc(READ_BYTES);
    if (!bytes)
        return pe_fail_errno(err, "cannot read %s", path);
    for (;;) {
        ssize_t n = read(fd, bytes, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "cannot read %s", path);
        if (n == 0)
            return 0;
        pe_sha256_add(hash, bytes, (size_t)n);
    }
}

int pe_sha256_end_hex(struct pe_sha256 *hash, char hex[PE_SHA256_HEX_SIZE], struct pe_error *err)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    if (hash->failed || !EVP_DigestFinal_ex(hash->context, bytes, NULL))
        return pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not compute a SHA-256 hash");
    write_hex(bytes, hex);
    return 0;
}

int pe_sha256_end_digest(struct pe_sha256 *hash, char digest[PE_SHA256_DIGEST_SIZE], struct pe_error *err)
{
    memcpy(digest, PE_SHA256_PREFIX, sizeof PE_SHA256_PREFIX);
    return pe_sha256_end_hex(hash, digest + strlen(PE_SHA256_PREFIX), err);
}

/* ---- in one call ---- */

int pe_sha256_hex(const void *bytes, size_t size, char hex[PE_SHA256_HEX_SIZE], struct pe_error *err)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(bytes, size, hash, NULL, EVP_sha256(), NULL))
        return pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not compute a SHA-256 hash");
    write_hex(hash, hex);
    return 0;
}

int pe_sha256_digest(const void *bytes, size_t size, char digest[PE_SHA256_DIGEST_SIZE], struct pe_error *err)
{
    memcpy(digest, PE_SHA256_PREFIX, sizeof PE_SHA256_PREFIX);
    return pe_sha256_hex(bytes, size, digest + strlen(PE_SHA256_PREFIX), err);
}

int pe_sha256_file_digest(const char *path, char digest[PE_SHA256_DIGEST_SIZE], struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(err);
    if (!hash || pe_sha256_add_file(hash, path, err) < 0)
        return -1;
    return pe_sha256_end_digest(hash, digest, err);
}
