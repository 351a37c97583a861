/* SPDX-License-Identifier: Apache-2.0 */
/* Stored results, from a store that may be shared, damaged or written by another version. The
 * harness corrects the checksum, because the code behind the check would never be reached
 * otherwise. */
#include "lb/core/job_result.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <string.h>

enum { HEAD = 40, CHECK_AT = 24, CHECK = 16 }; /* struct stored_head of lb/core/job_result.c */

static bool make_digest(const struct job_key *key, const uint8_t *bytes, size_t size, uint8_t *digest)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(hash, key->bytes, sizeof key->bytes) &&
                EVP_DigestUpdate(hash, bytes, CHECK_AT) &&
                EVP_DigestUpdate(hash, bytes + HEAD, size - HEAD) && EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static size_t account;
    struct pe_error err;
    static const struct job_key key;
    uint8_t digest[EVP_MAX_MD_SIZE], *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, bytes, size);
    if (size >= HEAD && make_digest(&key, copy, size, digest))
        memcpy(copy + CHECK_AT, digest, CHECK);
    struct job_result *result = job_result_decode(&account, &key, copy, size, &err);
    if (result) {
        pe_autobuf struct pe_buf text = {0};
        HOLDS(result->complete && result->parts.count >= 2 && result->bytes.size == result->size);
        HOLDS(job_result_encode(result, &key, &text, &err) == 0);
        struct job_result *again = job_result_decode(&account, &key, text.data, text.size, &err);
        HOLDS(again && again->size == result->size);
        job_result_unref(again);
    }
    job_result_unref(result);
    HOLDS(account == 0);
    free(copy);
    return 0;
}
