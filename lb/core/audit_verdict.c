/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of results, and the rules of evidence. */
#include "lb/core/audit_verdict.h"

#include <endian.h>
#include <openssl/evp.h>
#include <string.h>

/* ---- digests ---- */

static void free_hash(EVP_MD_CTX **hash)
{
    EVP_MD_CTX_free(*hash);
}

static bool begin(EVP_MD_CTX *hash)
{
    return EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
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

static bool end(EVP_MD_CTX *hash, uint8_t digest[32])
{
    return EVP_DigestFinal_ex(hash, digest, NULL);
}

static bool hash_status(EVP_MD_CTX *hash, const struct pe_result *fields, uint8_t digest[32])
{
    const uint64_t numbers[] = {fields->status,           (uint64_t)fields->exit_code,
                                (uint64_t)fields->signal, fields->stdout_truncated,
                                fields->stderr_truncated, fields->outputs_dropped};
    bool ok = begin(hash);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && ok; i++)
        ok = add_number(hash, numbers[i]);
    return ok && end(hash, digest);
}

/* Hash the bytes of the stream of this kind; of none if the result does not have it. */
static bool hash_stream(EVP_MD_CTX *hash, const struct job_result *result, enum pe_part_kind kind,
                        uint8_t digest[32])
{
    const uint8_t *at = result->bytes.data;
    bool ok = begin(hash);
    for (size_t i = 0; i < result->parts.count && ok; i++) {
        const struct pe_part *part = &result->parts.items[i];
        if (part->kind == kind)
            ok = add_bytes(hash, at, (size_t)part->size);
        at += part->size;
    }
    return ok && end(hash, digest);
}

static bool hash_files(EVP_MD_CTX *hash, const struct job_result *result, uint8_t digest[32])
{
    const uint8_t *at = result->bytes.data;
    bool ok = begin(hash);
    for (size_t i = 0; i < result->parts.count && ok; i++) {
        const struct pe_part *part = &result->parts.items[i];
        if (part->kind == PE_PART_FILE || part->kind == PE_PART_FOLDER)
            ok = add_number(hash, part->kind) && add_number(hash, part->mode) &&
                 add_bytes(hash, part->path.text, part->path.length) &&
                 add_bytes(hash, at, (size_t)part->size);
        at += part->size;
    }
    return ok && end(hash, digest);
}

int audit_digest_make(const struct job_result *result, struct audit_digest *digest, struct pe_error *err)
{
    __attribute__((cleanup(free_hash))) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash && hash_status(hash, &result->fields, digest->status) &&
        hash_stream(hash, result, PE_PART_STDOUT, digest->out) &&
        hash_stream(hash, result, PE_PART_STDERR, digest->err) && hash_files(hash, result, digest->files))
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a result");
}

const char *audit_difference(const struct audit_digest *one, const struct audit_digest *other)
{
    return memcmp(one->status, other->status, sizeof one->status) != 0 ? "exit status"
           : memcmp(one->out, other->out, sizeof one->out) != 0        ? "stdout"
           : memcmp(one->err, other->err, sizeof one->err) != 0        ? "stderr"
           : memcmp(one->files, other->files, sizeof one->files) != 0  ? "output files"
                                                                       : NULL;
}

/* ---- evidence ---- */

static bool is_same(const struct audit_run *one, const struct audit_run *other)
{
    return !audit_difference(&one->digest, &other->digest);
}

static bool is_same_host(const struct audit_run *one, const struct audit_run *other)
{
    return !strcmp(one->host, other->host);
}

static size_t runs_on_host(const struct audit_run *runs, size_t count, const struct audit_run *run)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += is_same_host(&runs[i], run);
    return found;
}

static bool is_unstable(const struct audit_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (is_same_host(&runs[i], &runs[k]) && !is_same(&runs[i], &runs[k]))
                return true;
    return false;
}

static bool all_same(const struct audit_run *runs, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (!is_same(&runs[0], &runs[i]))
            return false;
    return true;
}

/* A run of a trusted host, unless trusted hosts contradict one another; `count` if there is none. */
static size_t find_trusted(const struct audit_run *runs, size_t count)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        if (!runs[i].trusted)
            continue;
        if (found < count && !is_same(&runs[found], &runs[i]))
            return count;
        found = found < count ? found : i;
    }
    return found;
}

/* A run with which one of another host agrees, the later one of both; `count` if there is none. The first
 * host that was asked has perhaps seen the job often. */
static size_t find_agreement(const struct audit_run *runs, size_t count)
{
    for (size_t i = count; i-- > 1;)
        for (size_t k = 0; k < i; k++)
            if (!is_same_host(&runs[i], &runs[k]) && is_same(&runs[i], &runs[k]))
                return i;
    return count;
}

/* One run is believed: it is confirmed by its own host, and then the others are suspicious. */
static struct audit_verdict judge_by(const struct audit_run *runs, size_t count, size_t reference)
{
    if (runs_on_host(runs, count, &runs[reference]) < 2)
        return (struct audit_verdict){.step = AUDIT_ASK_AGAIN, .again = reference};
    struct audit_verdict verdict = {.step = AUDIT_SUSPICIOUS, .reference = reference};
    for (size_t i = 0; i < count; i++)
        if (!is_same(&runs[i], &runs[reference]))
            verdict.suspects |= 1u << i;
    return verdict;
}

/* Two hosts contradict one another. */
static struct audit_verdict judge_pair(const struct audit_run *runs, size_t count, bool has_another)
{
    if (has_another)
        return (struct audit_verdict){.step = AUDIT_ASK_ANOTHER};
    for (size_t i = 0; i < count; i++)
        if (runs_on_host(runs, count, &runs[i]) < 2)
            return (struct audit_verdict){.step = AUDIT_ASK_AGAIN, .again = i};
    return (struct audit_verdict){.step = AUDIT_UNDECIDED};
}

static size_t count_hosts(const struct audit_run *runs, size_t count)
{
    size_t hosts = 0;
    for (size_t i = 0; i < count; i++)
        hosts += runs_on_host(runs, i, &runs[i]) == 0;
    return hosts;
}

struct audit_verdict audit_judge(const struct audit_run *runs, size_t count, bool has_another)
{
    size_t hosts = count_hosts(runs, count);
    if (is_unstable(runs, count))
        return (struct audit_verdict){.step = AUDIT_UNSTABLE};
    if (hosts < 2)
        return (struct audit_verdict){.step = AUDIT_ASK_ANOTHER};
    if (all_same(runs, count))
        return (struct audit_verdict){.step = AUDIT_SAME};
    size_t trusted = find_trusted(runs, count);
    size_t reference = trusted < count ? trusted : find_agreement(runs, count);
    if (reference < count)
        return judge_by(runs, count, reference);
    if (hosts == 2 && count < AUDIT_RUNS_MAX)
        return judge_pair(runs, count, has_another);
    return (struct audit_verdict){.step = AUDIT_UNSTABLE}; /* each host says something else */
}
