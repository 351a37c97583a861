/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing. Everything of variable length is preceded by its length, so that different jobs never
 * produce the same bytes. */
#include "lb/core/job_key.h"

#include <endian.h>
#include <openssl/evp.h>
#include <string.h>

/* Must change when stored results of the same job are no longer valid. */
#define KEY_VERSION "pe-job-1"

/* Fetched once: EVP_sha256() is fetched again by each hash (crypto(7), "Implicit fetching"). */
static const EVP_MD *sha256(void)
{
    static EVP_MD *found;
    if (!found)
        found = EVP_MD_fetch(NULL, "SHA256", NULL);
    return found;
}

static bool add_number(EVP_MD_CTX *hash, uint64_t number)
{
    uint64_t wire = htobe64(number);
    return EVP_DigestUpdate(hash, &wire, sizeof wire);
}

static bool add_bytes(EVP_MD_CTX *hash, const void *bytes, size_t size)
{
    return add_number(hash, size) && (size == 0 || EVP_DigestUpdate(hash, bytes, size));
}

static bool add_text(EVP_MD_CTX *hash, const char *text)
{
    return text ? add_number(hash, 1) && add_bytes(hash, text, strlen(text)) : add_number(hash, 0);
}

static bool add_texts(EVP_MD_CTX *hash, char *const *texts, size_t count)
{
    bool ok = add_number(hash, texts ? count + 1 : 0); /* no list is not the same as an empty list */
    for (size_t i = 0; texts && i < count && ok; i++)
        ok = add_text(hash, texts[i]);
    return ok;
}

static bool add_job(EVP_MD_CTX *hash, const struct pe_job_spec *job)
{
    return add_texts(hash, job->cmd, job->cmd_count) && add_texts(hash, job->env, job->env_count) &&
           add_text(hash, job->stdin_name) && add_number(hash, job->timeout_ms) &&
           add_texts(hash, job->outputs, job->output_count) && add_number(hash, job->combined) &&
           add_number(hash, job->stop_at_output_limit) && add_number(hash, job->process_limit) &&
           add_number(hash, job->stack_limit_kib) && add_number(hash, pe_job_spec_stdout_max(job)) &&
           add_number(hash, pe_job_spec_stderr_max(job));
}

static bool add_files(EVP_MD_CTX *hash, const struct submission *submission)
{
    bool ok = add_number(hash, submission->files.count);
    for (size_t i = 0; i < submission->files.count && ok; i++) {
        const struct pe_part *file = &submission->files.items[i];
        ok = add_bytes(hash, file->path.text, file->path.length) &&
             add_bytes(hash, submission->bytes[i], (size_t)file->size);
    }
    return ok;
}

/* Without a salt nothing is added, so stored results stay valid. */
static bool add_salt(EVP_MD_CTX *hash, struct pe_cursor salt)
{
    return !salt.left || (add_text(hash, "salt") && add_bytes(hash, salt.at, salt.left));
}

static void free_hash(EVP_MD_CTX **hash)
{
    EVP_MD_CTX_free(*hash);
}

int job_key_make(const struct submission *submission, const char *image_identity, struct job_key *key,
                 struct pe_error *err)
{
    __attribute__((cleanup(free_hash))) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash && EVP_DigestInit_ex(hash, sha256(), NULL) && add_text(hash, KEY_VERSION) &&
        add_text(hash, image_identity) && add_job(hash, &submission->spec) && add_files(hash, submission) &&
        add_salt(hash, submission->salt) && EVP_DigestFinal_ex(hash, key->bytes, NULL))
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a job");
}

int job_key_of_body(const void *content_type, size_t content_type_size, const void *body, size_t size,
                    struct job_key *key, struct pe_error *err)
{
    __attribute__((cleanup(free_hash))) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash && EVP_DigestInit_ex(hash, sha256(), NULL) && add_bytes(hash, content_type, content_type_size) &&
        add_bytes(hash, body, size) && EVP_DigestFinal_ex(hash, key->bytes, NULL))
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a request");
}

int job_key_compare(const struct job_key *a, const struct job_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}
