/* Digests, by OpenSSL. */
#include "image/digest.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES (256u * 1024u)
#define PREFIX "sha256:"

struct digest {
    EVP_MD_CTX *context;
};

bool digest_is_valid(const char *text)
{
    return !strncmp(text, PREFIX, strlen(PREFIX)) && strlen(text) == DIGEST_TEXT_BYTES - 1 &&
           strspn(text + strlen(PREFIX), "0123456789abcdef") == 64;
}

struct digest *digest_new(struct pe_error *err)
{
    struct digest *digest = calloc(1, sizeof *digest);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (digest && context && EVP_DigestInit_ex(context, EVP_sha256(), NULL)) {
        digest->context = context;
        return digest;
    }
    free(digest);
    EVP_MD_CTX_free(context);
    pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not begin a SHA-256");
    return NULL;
}

void digest_free(struct digest *digest)
{
    if (digest)
        EVP_MD_CTX_free(digest->context);
    free(digest);
}

int digest_add(struct digest *digest, const void *bytes, size_t size, struct pe_error *err)
{
    return EVP_DigestUpdate(digest->context, bytes, size)
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not continue a SHA-256");
}

int digest_end(struct digest *digest, char text[DIGEST_TEXT_BYTES], struct pe_error *err)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(digest->context, hash, &size) || size != 32)
        return pe_fail(err, PE_ERR_INTERNAL, "OpenSSL could not end a SHA-256");
    int used = sprintf(text, PREFIX);
    for (unsigned i = 0; i < size; i++)
        used += sprintf(text + used, "%02x", hash[i]);
    return 0;
}

int digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT_BYTES], struct pe_error *err)
{
    pe_autodigest struct digest *digest = digest_new(err);
    return digest && digest_add(digest, bytes, size, err) == 0 ? digest_end(digest, text, err) : -1;
}

int digest_file(const char *path, char text[DIGEST_TEXT_BYTES], struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    static uint8_t chunk[CHUNK_BYTES];
    if (fd < 0)
        return pe_fail_errno(err, "reading %s", path);
    pe_autodigest struct digest *digest = digest_new(err);
    if (!digest)
        return -1;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "reading %s", path);
        if (n == 0)
            return digest_end(digest, text, err);
        if (digest_add(digest, chunk, (size_t)n, err) < 0)
            return -1;
    }
}
