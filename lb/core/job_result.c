/* SPDX-License-Identifier: Apache-2.0 */
/* Results: their bytes, their references and their stored form. How a result is shown to a
 * client is decided in lb/api/result_encoder.c. */
#include "lb/core/job_result.h"

#include "codec/utf8_text.h"
#include "proto/limits.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- life ---- */

void job_result_settle(struct job_result *result)
{
    size_t holds =
        sizeof *result + result->parts.count * sizeof *result->parts.items + result->bytes.capacity;
    holds += result->runs.capacity + result->summary.capacity;
    for (int i = 0; i < RESULT_FORMATS; i++)
        holds += result->rendered[i].body.capacity;
    holds += result->part_texts ? result->parts.count : 0;
    *result->account += holds - result->held;
    result->held = holds;
}

struct job_result *job_result_new(size_t *account, const struct pe_result *fields, struct pe_parts *parts,
                                  struct pe_error *err)
{
    struct job_result *result = calloc(1, sizeof *result);
    size_t size = (size_t)pe_parts_size(parts);
    /* Allocate the room at once, and no more. The size is bounded by the decoder of messages. */
    if (!result || !(result->bytes.data = malloc(size + 1))) {
        free(result);
        pe_fail_errno(err, "cannot keep a result of %zu bytes", size);
        return NULL;
    }
    result->bytes.capacity = size + 1;
    result->refs = 1;
    result->fields = *fields;
    result->parts = *parts;
    *parts = (struct pe_parts){0};
    result->size = size;
    result->account = account;
    job_result_settle(result);
    return result;
}

uint64_t job_result_cpu_us(const struct pe_result *fields, uint32_t timeout_ms)
{
    const uint64_t said_us = fields->user_us + fields->system_us, most_us = timeout_ms * 1000ull;
    return said_us < most_us ? said_us : most_us;
}

struct job_result *job_result_ref(struct job_result *result)
{
    result->refs++;
    return result;
}

void job_result_unref(struct job_result *result)
{
    if (!result || --result->refs)
        return;
    *result->account -= result->held;
    free(result->part_texts);
    pe_parts_free(&result->parts);
    pe_buf_free(&result->bytes);
    pe_buf_free(&result->runs);
    pe_buf_free(&result->summary);
    for (int i = 0; i < RESULT_FORMATS; i++)
        pe_buf_free(&result->rendered[i].body);
    free(result);
}

int job_result_append(struct job_result *result, const void *bytes, size_t size, struct pe_error *err)
{
    if (size > result->size - result->bytes.size)
        return pe_fail(err, PE_ERR_MALFORMED, "a result has more bytes than its parts announce");
    if (pe_buf_append(&result->bytes, bytes, size, err) < 0)
        return -1;
    job_result_settle(result);
    return 0;
}

bool job_result_part_is_text(struct job_result *result, size_t part, size_t offset)
{
    enum { UNKNOWN, TEXT, NO_TEXT };
    const uint8_t *bytes = result->bytes.data + offset;
    size_t size = (size_t)result->parts.items[part].size;
    if (!result->part_texts && (result->part_texts = calloc(result->parts.count, 1)))
        job_result_settle(result);
    if (!result->part_texts) /* without memory, they are looked at again the next time */
        return pe_utf8_valid(bytes, size);
    if (result->part_texts[part] == UNKNOWN)
        result->part_texts[part] = pe_utf8_valid(bytes, size) ? TEXT : NO_TEXT;
    return result->part_texts[part] == TEXT;
}

int job_result_finish(struct job_result *result, struct pe_error *err)
{
    if (result->bytes.size != result->size)
        return pe_fail(err, PE_ERR_MALFORMED, "a result has fewer bytes than its parts announce");
    result->complete = true;
    return 0;
}

struct job_result *job_result_vm_error(size_t *account, const char *image, const char *image_digest,
                                       const char *reason, struct pe_error *err)
{
    struct pe_result fields = {.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    struct pe_parts parts = {0};
    snprintf(fields.image, sizeof fields.image, "%s", image);
    snprintf(fields.image_digest, sizeof fields.image_digest, "%s", image_digest);
    snprintf(fields.reason, sizeof fields.reason, "%s", reason);
    if (pe_parts_add(&parts, PE_PART_STDOUT, NULL, 0, 0, err) < 0 ||
        pe_parts_add(&parts, PE_PART_STDERR, NULL, 0, 0, err) < 0) {
        pe_parts_free(&parts);
        return NULL;
    }
    struct job_result *result = job_result_new(account, &fields, &parts, err);
    pe_parts_free(&parts);
    if (result)
        result->complete = true;
    return result;
}

/* ---- parts ---- */

/* The parts of a result may exceed the output limit of a job by this much. The worker enforces the exact
 * limit; this check only guards memory. */
#define SLACK (1u * PE_MIB)

const char *job_result_parts_fault(const struct pe_parts *parts)
{
    if (parts->count < 2 || parts->items[0].kind != PE_PART_STDOUT || parts->items[1].kind != PE_PART_STDERR)
        return "the parts of a result do not start with stdout and stderr";
    size_t streams = parts->count > 2 && parts->items[2].kind == PE_PART_COMBINED ? 3 : 2;
    if (parts->count > PE_OUTPUT_FILES_MAX + streams)
        return "a result has too many parts";
    for (size_t i = streams; i < parts->count; i++)
        if (parts->items[i].kind != PE_PART_FILE && parts->items[i].kind != PE_PART_FOLDER)
            return "a result has a stream twice";
    if (pe_parts_size(parts) > PE_OUTPUT_BYTES_MAX + SLACK)
        return "a result is larger than the output limit of a job";
    return NULL;
}

/* ---- the stored form: a head, the `result` message of the slot protocol, the bytes ---- */

struct stored_head {
    char magic[8];
    uint64_t stored_at; /* big endian, like the next two members */
    uint32_t text_size, bytes_size;
    uint8_t check[16]; /* first half of SHA-256 over the key of the job, what is above, and all that follows:
                          the disk is not synced after each write, and a shared store may mix results up */
};

static const char magic[8] __attribute__((nonstring)) = "pe-res-2";

/* Balancers that share results need not agree about the time to the second. */
#define CLOCKS_APART_S 60

/* A clock that was ahead and has been set right leaves results of the future: they would be kept for longer
 * than they may be. */
bool job_result_is_older(int64_t stored_at, uint64_t age_max_s)
{
    const int64_t age = (int64_t)time(NULL) - stored_at;
    return age_max_s && (age > (int64_t)age_max_s || age < -CLOCKS_APART_S);
}

int64_t job_result_stored_at(const void *bytes, size_t size)
{
    struct stored_head head;
    if (size < sizeof head)
        return 0;
    memcpy(&head, bytes, sizeof head);
    const uint64_t stored_at = be64toh(head.stored_at);
    return memcmp(head.magic, magic, sizeof magic) == 0 && stored_at <= INT64_MAX ? (int64_t)stored_at : 0;
}

static int make_check(const struct job_key *key, const struct stored_head *head, const void *bytes,
                      size_t size, uint8_t check[16], struct pe_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(hash, key->bytes, sizeof key->bytes) &&
                EVP_DigestUpdate(hash, head, offsetof(struct stored_head, check)) &&
                EVP_DigestUpdate(hash, bytes, size) && EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    if (!made)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot hash a result");
    memcpy(check, digest, sizeof head->check);
    return 0;
}

int job_result_encode(const struct job_result *result, const struct job_key *key, struct pe_buf *out,
                      struct pe_error *err)
{
    /* This message borrows the parts of the result, so it must not be freed. */
    const struct pe_message message = {
        .kind = PE_MESSAGE_RESULT, .id = "stored", .result = result->fields, .parts = result->parts};
    pe_autobuf struct pe_buf text = {0};
    if (pe_message_encode(&message, &text, err) < 0)
        return -1;
    struct stored_head head = {.stored_at = htobe64((uint64_t)result->stored_at),
                               .text_size = htobe32((uint32_t)text.size),
                               .bytes_size = htobe32((uint32_t)result->bytes.size)};
    memcpy(head.magic, magic, sizeof magic);
    size_t at = out->size;
    if (pe_buf_append(out, &head, sizeof head, err) < 0 ||
        pe_buf_append(out, text.data, text.size, err) < 0 ||
        pe_buf_append(out, result->bytes.data, result->bytes.size, err) < 0 ||
        make_check(key, &head, out->data + at + sizeof head, out->size - at - sizeof head, head.check, err) <
            0)
        return -1;
    memcpy(out->data + at, &head, sizeof head);
    return 0;
}

static struct job_result *from_message(size_t *account, struct pe_message *message, struct pe_cursor bytes,
                                       struct pe_error *err)
{
    const char *fault = job_result_parts_fault(&message->parts);
    if (fault) {
        pe_fail(err, PE_ERR_MALFORMED, "a stored result is not valid: %s", fault);
        return NULL;
    }
    struct job_result *result = job_result_new(account, &message->result, &message->parts, err);
    if (result && (bytes.left == 0 || job_result_append(result, bytes.at, bytes.left, err) == 0) &&
        job_result_finish(result, err) == 0)
        return result;
    job_result_unref(result);
    pe_fail(err, PE_ERR_MALFORMED, "a stored result has another number of bytes than its parts announce");
    return NULL;
}

struct job_result *job_result_decode(size_t *account, const struct job_key *key, const void *bytes,
                                     size_t size, struct pe_error *err)
{
    struct pe_cursor cursor = {.at = bytes, .left = size};
    const uint8_t *start = pe_cursor_read(&cursor, sizeof(struct stored_head));
    struct stored_head head;
    if (start)
        memcpy(&head, start, sizeof head);
    if (!start || memcmp(head.magic, magic, sizeof magic) != 0) {
        pe_fail(err, PE_ERR_MALFORMED, "a stored result has no valid head");
        return NULL;
    }
    uint8_t check[16];
    if (make_check(key, &head, cursor.at, cursor.left, check, err) < 0)
        return NULL;
    size_t text_size = be32toh(head.text_size);
    const uint8_t *text = pe_cursor_read(&cursor, text_size);
    pe_automessage struct pe_message message = {0};
    if (!text || cursor.left != be32toh(head.bytes_size) || memcmp(check, head.check, sizeof check) != 0 ||
        be64toh(head.stored_at) > INT64_MAX || pe_message_decode(text, text_size, &message, err) < 0 ||
        message.kind != PE_MESSAGE_RESULT) {
        pe_fail(err, PE_ERR_MALFORMED, "a stored result is truncated, damaged or of another job");
        return NULL;
    }
    struct job_result *result = from_message(account, &message, cursor, err);
    if (result)
        result->stored_at = (int64_t)be64toh(head.stored_at);
    return result;
}
