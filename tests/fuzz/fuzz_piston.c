/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of Piston's POST /execute. A request that is accepted becomes a job that keeps the rules of
 * every job, and that a worker accepts. */
#include "lb/piston/request.h"
#include "proto/image_reference.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/known_images.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char images_text[] =
    "[{\"name\":\"gcc:14\",\"digest\":\"" DIGEST "\",\"piston\":[{\"language\":\"c\",\"version\":\"14.2.0\","
    "\"aliases\":[\"gcc\"],\"runtime\":\"gcc\",\"compile\":[\"cc\",\"{files}\"],\"run\":[\"./a.out\","
    "\"{args}\"]}]},{\"name\":\"python:3\",\"digest\":\"" DIGEST "\",\"piston\":[{\"language\":\"python\","
    "\"version\":\"3.13.5\",\"aliases\":[\"py\"],\"run\":[\"python3\",\"{main}\",\"{args}\"]}]},"
    "{\"name\":\"any:1\",\"digest\":\"" DIGEST "\",\"piston\":[{\"language\":\"file\",\"version\":\"1.0.0\","
    "\"run\":[\"./run\",\"{main}\"]}]}]";

static void check_files(const struct submission *submission)
{
    uint64_t total = 0;
    HOLDS(submission->files.count <= PE_INPUT_FILES_MAX);
    for (size_t i = 0; i < submission->files.count; i++) {
        struct pe_path again;
        struct pe_error err;
        const struct pe_part *file = &submission->files.items[i];
        HOLDS(pe_path_parse(file->path.text, file->path.length, 1, &again, &err) == 0);
        free(fuzz_text(submission->bytes[i], file->size)); /* ASan sees it if a byte is not there */
        total += file->size;
    }
    HOLDS(total == submission->total && total <= PE_INPUT_BYTES_MAX);
}

static void check_job(const struct submission *submission)
{
    pe_autojobspec struct pe_job_spec again = {0};
    struct pe_error err;
    HOLDS(submission_check(submission, &err) == 0);
    HOLDS(pe_image_reference_valid(submission->spec.image) && submission->spec.cmd_count > 0);
    pe_autojson json_t *json = pe_job_spec_to_json(&submission->spec);
    HOLDS(json && pe_job_spec_from_json(json, &again, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct piston_request request;
    struct submission submission = {0};
    struct pe_error err;
    const struct scheduler *scheduler = scheduler_with_images(images_text);
    if (piston_request_read(bytes, size, &request, &err) == 0) {
        bool fits = piston_request_fits(&request, scheduler);
        int failed = piston_request_resolve(&request, scheduler, &piston_default_limits, &submission, &err);
        HOLDS(failed || fits);
        if (!failed) {
            check_files(&submission);
            check_job(&submission);
        }
    }
    submission_free(&submission);
    piston_request_free(&request);
    return 0;
}
