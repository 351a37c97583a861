/* SPDX-License-Identifier: Apache-2.0 */
/* The table of problem types, and their texts. */
#include "lb/edge/problems.h"

#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct problem_type {
    const char *name;
    int status;
    unsigned retry_after_s;
    const char *title;
    const char *explanation;
} types[] = {
    {"malformed-request", 400, 0, "The request is malformed",
     "The body cannot be parsed: a broken multipart body, text that is not JSON, or a missing part. The "
     "detail says where."},
    {"unauthorized", 401, 0, "The API key or the token is missing or wrong",
     "Clients send an API key as Authorization: Bearer if the service demands one; its operator makes keys "
     "with `pe-lb key new`. Workers and operators send a token in the same way. Give pe-worker the same "
     "token file as pe-lb, or let its host join with `pe-worker join`."},
    {"forbidden", 403, 0, "The page may not use the service",
     "Pages of other origins may open an interactive job only if the operator allows their origin with pe-lb "
     "--cors-origin."},
    {"invalid-join-code", 403, 0, "The join code is not valid",
     "A host joins with a code that `pe-lb token new` has printed. It is valid for one host, once, and for a "
     "limited time; the detail says what is wrong with this one."},
    {"not-found", 404, 0, "Not found",
     "There is nothing at this path, or no object of this name. GET / lists the paths."},
    {"unknown-image", 404, 0, "There is no such image",
     "No worker has the image that the job names. The detail suggests similar names. GET /v1/images lists "
     "all images."},
    {"method-not-allowed", 405, 0, "The method is not allowed here",
     "The path exists, but does not accept this method. The Allow header lists the methods it accepts."},
    {"not-acceptable", 406, 0, "No acceptable form of response",
     "A result is sent as multipart/form-data, application/json or application/x-cpio, or as events with "
     "text/event-stream or application/x-ndjson; the Accept header allows none of them."},
    {"too-large", 413, 0, "A limit is exceeded",
     "The request is larger than a limit. The detail says which one. GET /v1/images lists the limits of a "
     "job."},
    {"unsupported-media-type", 415, 0, "The body has another media type",
     "A job is sent as multipart/form-data or as application/json; the Content-Type header names neither. "
     "Or the body has a Content-Encoding, as gzip: a job is sent without one."},
    {"expectation-failed", 417, 0, "The expectation cannot be met",
     "This server only supports Expect: 100-continue."},
    {"invalid-job", 422, 0, "The job is not valid",
     "The request is well formed, but a value in the job or the name of a file is not allowed. The detail "
     "names it."},
    {"isolation-unavailable", 422, 0, "No worker has the isolation that the job demands",
     "The job demands a kind of isolation, and no worker that has the job's image has one of these. The "
     "member `available` lists the kinds that such workers have. Change the field `isolation` of the job, or "
     "leave it out to accept any."},
    {"trusted-host-unavailable", 422, 0, "No trusted host can run the job",
     "The job demands a host that the operator has marked as trusted (pe-lb --trusted-host), and none that "
     "is "
     "connected has the job's image. Leave out the field `hosts` to accept any host, or ask the operator."},
    {"live-unavailable", 422, 0, "No worker can run interactive jobs",
     "The workers that have the job's image are of a version that cannot pass on what is typed. Upgrade "
     "them, "
     "or send the input as a file."},
    {"input-overflow", 422, 0, "More was typed than may be under way",
     "The program had not taken as much of the input as was sent. Wait for the messages `taken` before more "
     "is sent: `input_window` in the message `started` says how much may be under way."},
    {"interactive-idle", 408, 0, "Nothing was typed or printed for too long",
     "An interactive job holds a slot for others. The detail says how long it may be idle."},
    {"canceled", 499, 0, "The job was canceled",
     "The client went away before the result was ready, or cancelled the job, which was stopped."},
    {"too-many-requests", 429, 1, "Too many requests",
     "The number of jobs at a time and per minute, and the CPU time in a day, are limited for each API key "
     "and for each address without one. The detail says which limit was reached. Try again after the time "
     "that Retry-After says."},
    {"internal", 500, 0, "The service failed",
     "Something failed that is not caused by the request. Search the log of the service for the "
     "X-Request-Id."},
    {"no-worker", 503, 5, "No worker is connected",
     "The balancer does not run jobs itself. Start at least one worker with pe-worker --server URL."},
    {"no-capacity", 503, 1, "There is no capacity now",
     "The queue is full, or the job has waited for as long as it may. Try again after the time that "
     "Retry-After says."},
    {"slot-lost", 504, 0, "The slot of the program was lost",
     "The connection to the worker ended while the program ran. An interactive job is not run again, because "
     "what was typed is lost with it."},
    {"vm-lost", 504, 0, "The VM of the program was lost",
     "The VM ended while the program ran. An interactive job is not run again, because what was typed is "
     "lost with it."},
    {"job-lost", 504, 0, "The job was lost",
     "The workers that ran the job went away or did not answer, more than once. The job may need more than "
     "a VM has, or the service may be in trouble. It is safe to try again."},
};

enum { TYPE_COUNT = sizeof types / sizeof *types };

static const struct problem_type *find_type(const char *name)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        if (!strcmp(types[i].name, name))
            return &types[i];
    return NULL;
}

static struct pe_problem from_type(const struct problem_type *type)
{
    struct pe_problem problem = {.status = type->status, .retry_after_s = type->retry_after_s};
    snprintf(problem.type, sizeof problem.type, "%s", type->name);
    snprintf(problem.title, sizeof problem.title, "%s", type->title);
    return problem;
}

struct pe_problem problem_make(const char *type, const char *detail, ...)
{
    const struct problem_type *found = find_type(type);
    struct pe_problem problem = from_type(found ? found : find_type("internal"));
    va_list args;
    va_start(args, detail);
    vsnprintf(problem.detail, sizeof problem.detail, detail, args);
    va_end(args);
    return problem;
}

struct pe_problem problem_from_status(int status)
{
    if (status == 413)
        return problem_make("too-large", "the request body has more than %u bytes", PE_BODY_BYTES_MAX);
    if (status == 417)
        return problem_make("expectation-failed", "only the expectation 100-continue is supported");
    if (status == 404)
        return problem_make("not-found", "there is nothing at this path");
    if (status >= 500)
        return problem_make("internal", "the request could not be handled");
    return problem_make("malformed-request", "Content-Length or Transfer-Encoding is not valid");
}

const char *problem_explanation(const char *type)
{
    const struct problem_type *found = find_type(type);
    return found ? found->explanation : NULL;
}

const char *problem_reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {403, "Forbidden"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return status < 500 ? "Client Error" : "Server Error";
}
