/* SPDX-License-Identifier: Apache-2.0 */
/* The result of one job: its fields and the bytes of its parts, as they arrive and for as long
 * as somebody needs them. References are counted: the cache and all responses that are sent from
 * a result share it. */
#ifndef PE_LB_CORE_JOB_RESULT_H
#define PE_LB_CORE_JOB_RESULT_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/job_key.h"
#include "proto/result.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The forms in which a result is sent to clients. The last two are events, of which the result is one
 * (lb/api/event_encoder.h). */
enum result_format {
    RESULT_MULTIPART,
    RESULT_JSON,
    RESULT_CPIO,
    RESULT_FORMATS,
    RESULT_EVENT_STREAM = RESULT_FORMATS,
    RESULT_EVENT_LINES,
    RESULT_MEDIA_TYPES
};

/* A complete response body that is kept with a result, because it is sent again and again. */
struct rendered {
    char content_type[128];
    struct pe_buf body; /* empty until somebody asks for it */
};

struct job_result {
    unsigned refs;
    struct pe_result fields;
    struct pe_parts parts; /* stdout, stderr, perhaps combined, files, then folders; owned */
    struct pe_buf bytes;   /* the bytes of the parts that have arrived */
    uint64_t size;         /* bytes that the parts announce together */
    uint8_t *part_texts;   /* for each part, whether it is text, once somebody has asked; NULL: nobody has */
    struct pe_buf
        runs; /* of a job with stages: members of its JSON that tell about each of them; else empty */
    struct pe_buf summary; /* likewise: members that tell about all of them together */
    bool complete;         /* all bytes have arrived, and the worker has confirmed it */
    bool in_cache;         /* the cache has a reference (lb/core/cache.c) */
    int64_t stored_at;     /* seconds since the epoch when it was put into the cache; 0: it is not cached */
    struct rendered rendered[RESULT_FORMATS]; /* made by lb/api/result_encoder.c */
    size_t *account;                          /* bytes that all results of this account use; outlives them */
    size_t held;                              /* bytes of it that are this result's */
};

/* A new result with one reference. Takes over `parts` and leaves them empty. NULL with PE_ERR_INTERNAL
 * without memory; `parts` stay the caller's then. `account` must outlive the result. */
struct job_result *job_result_new(size_t *account, const struct pe_result *fields, struct pe_parts *parts,
                                  struct pe_error *err);

/* The CPU time that a job has used as far as its result can be believed: a VM has one CPU, so it is at most
 * the time limit of the job. A worker that lies could use up the quota of a client with one job otherwise. */
uint64_t job_result_cpu_us(const struct pe_result *fields, uint32_t timeout_ms);

/* Add a reference, and return `result`. */
struct job_result *job_result_ref(struct job_result *result);

/* Drop a reference. NULL is allowed. */
void job_result_unref(struct job_result *result);

/* Append the next bytes. PE_ERR_MALFORMED if there are more than the parts announce. */
int job_result_append(struct job_result *result, const void *bytes, size_t size,
                      struct pe_error *err) PE_MUST_CHECK;

/* Whether the bytes of a part of a complete result are UTF-8. `offset` is where they begin. They are
 * looked at once. */
bool job_result_part_is_text(struct job_result *result, size_t part, size_t offset);

/* Bring the account up to date after `rendered`, `runs` or `summary` was changed. */
void job_result_settle(struct job_result *result);

/* No more bytes will arrive. PE_ERR_MALFORMED if there are fewer than the parts announce. */
int job_result_finish(struct job_result *result, struct pe_error *err) PE_MUST_CHECK;

/* A complete result with the status vm_error, and empty stdout and stderr. NULL with PE_ERR_INTERNAL without
 * memory. */
struct job_result *job_result_vm_error(size_t *account, const char *image, const char *image_digest,
                                       const char *reason, struct pe_error *err);

/* Whether a result that was stored at this time, in seconds since 1970, is older than `age_max_s` now, or of
 * the future; never if that is 0. */
bool job_result_is_older(int64_t stored_at, uint64_t age_max_s);

/* When a result was stored, from its stored form; 0 if these bytes are none. */
int64_t job_result_stored_at(const void *bytes, size_t size);

/* What is wrong with the parts of a result, or NULL. There have to be stdout, stderr, perhaps both combined,
 * files, then folders, and no more bytes than the output limit of a job. */
const char *job_result_parts_fault(const struct pe_parts *parts);

/* Append a complete result in the form in which it is stored for the job with this key. PE_ERR_INTERNAL
 * without memory; `out` then has a part of it. */
int job_result_encode(const struct job_result *result, const struct job_key *key, struct pe_buf *out,
                      struct pe_error *err) PE_MUST_CHECK;

/* Decode a stored result. It is checked like a message of a worker, because a store may be
 * shared, damaged or of another version. Returns NULL with PE_ERR_MALFORMED if it is not valid, or if it was
 * stored for a job with another key, and with PE_ERR_INTERNAL without memory. The caller has the only
 * reference. */
struct job_result *job_result_decode(size_t *account, const struct job_key *key, const void *bytes,
                                     size_t size, struct pe_error *err);

#endif
