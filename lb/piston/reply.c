/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the stages (proto/stages.h) in Piston's terms. The guest is not trusted: an
 * invalid report counts as a stage with the status XX, which is Piston's status for a sandbox
 * that failed. */
#include "lb/piston/reply.h"

#include "base/cleanup.h"
#include "codec/json_writer.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/stages.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SIGNAL_MAX = 64 };

/* ---- values ---- */

/* The names that Linux uses. Real-time signals are counted from both ends (signal(7)). */
static json_t *signal_name(int number)
{
    static const char *const names[] = {
        NULL,        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
    if (number > 0 && number < (int)(sizeof names / sizeof *names))
        return json_string(names[number]);
    if (number == 34 || number == 64)
        return json_string(number == 34 ? "SIGRTMIN" : "SIGRTMAX");
    if (number > 34 && number < 64)
        return number < 50 ? json_sprintf("SIGRTMIN+%d", number - 34)
                           : json_sprintf("SIGRTMAX-%d", 64 - number);
    return json_null();
}

bool piston_is_signal(const char *name)
{
    bool found = false;
    for (int number = 1; number <= SIGNAL_MAX && !found; number++) {
        pe_autojson json_t *json = signal_name(number);
        found = json_is_string(json) && !strcmp(json_string_value(json), name);
    }
    return found;
}

static json_t *milliseconds(uint64_t us)
{
    return us % 1000 ? json_real((double)us / 1000) : json_integer((json_int_t)(us / 1000));
}

/* ---- how a stage ended ---- */

struct ending {
    json_t *code, *signal, *message; /* new references */
    const char *status;              /* NULL: success */
};

static struct ending killed(const char *status, const char *message)
{
    return (struct ending){json_null(), json_string("SIGKILL"), json_string(message), status};
}

static struct ending failed(const char *message)
{
    return (struct ending){json_null(), json_null(), json_string(message), "XX"};
}

static struct ending exited(int code)
{
    if (code == 0)
        return (struct ending){json_integer(0), json_null(), json_null(), NULL};
    return (struct ending){json_integer(code), json_null(), json_sprintf("Exited with error status %d", code),
                           "RE"};
}

static struct ending signaled(int number)
{
    return (struct ending){json_null(), signal_name(number), json_sprintf("Caught fatal signal %d", number),
                           "SG"};
}

/* A stage that is killed for lack of memory may have less of it because of files of an earlier stage. Less
 * than this is no reason. */
#define HELD_KIB_LEAST 1024u

static struct ending signaled_stage(const struct pe_stage_report *stage)
{
    struct ending ending = signaled(stage->signal);
    if (stage->signal == SIGKILL && stage->oom_kills && stage->held_kib >= HELD_KIB_LEAST) {
        json_decref(ending.message);
        ending.message =
            json_sprintf("Caught fatal signal 9: out of memory, of which files that earlier stages left hold "
                         "%llu MiB",
                         (unsigned long long)stage->held_kib / 1024);
    }
    return ending;
}

static struct ending ending_of(const struct pe_stage_report *stage)
{
    switch (stage->end) {
    case PE_STAGE_EXITED:
        return exited(stage->code);
    case PE_STAGE_SIGNALED:
        return signaled_stage(stage);
    case PE_STAGE_WALL:
        return killed("TO", "Time limit exceeded (wall clock)");
    case PE_STAGE_CPU:
        return killed("TO", "Time limit exceeded");
    case PE_STAGE_STDOUT:
        return killed("OL", "stdout length exceeded");
    case PE_STAGE_STDERR:
        return killed("EL", "stderr length exceeded");
    case PE_STAGE_FAILED:
    case PE_STAGE_SKIPPED:
    case PE_STAGE_ENDS:
        break;
    }
    return failed("the stage could not be started");
}

/* The job ended before its stage: it reached a limit of the job. `fields` may be NULL: no result yet. */
static struct ending ending_of_job(const struct pe_result *fields)
{
    if (!fields)
        return failed("the stage ended without saying how");
    switch (fields->status) {
    case PE_STATUS_TIMEOUT:
        return killed("TO", "Time limit exceeded (wall clock)");
    case PE_STATUS_OOM:
        return signaled(SIGKILL);
    case PE_STATUS_SIGNALED:
        return signaled(fields->signal);
    default:
        return failed("the stage ended without saying how");
    }
}

json_t *piston_exit_message(const struct pe_stage_report *stage, const struct pe_result *fields)
{
    struct ending ending = stage->ended ? ending_of(stage) : ending_of_job(fields);
    json_decref(ending.message);
    return json_pack("{s:s, s:s, s:o, s:o}", "type", "exit", "stage", stage->name, "code", ending.code,
                     "signal", ending.signal);
}

/* ---- stages ---- */

static uint64_t less(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

/* The usage of a stage that did not end: that of the job, as far as the init process of the
 * guest could measure it, minus the usage of the stages before. */
static int set_rest(json_t *json, const struct pe_result *fields, const struct pe_stages *before)
{
    uint64_t wall_us = fields->wall_us, cpu_us = fields->user_us + fields->system_us;
    for (size_t i = 0; i < before->count && before->items[i].ended; i++) {
        const struct pe_stage_report *stage = &before->items[i];
        wall_us = less(wall_us, stage->wall_us);
        cpu_us = less(cpu_us, stage->user_us + stage->system_us);
    }
    bool counted = fields->status == PE_STATUS_TIMEOUT || fields->status == PE_STATUS_OOM;
    if (json_object_set_new(json, "wall_time", milliseconds(wall_us)) < 0 ||
        json_object_set_new(json, "cpu_time", counted ? milliseconds(cpu_us) : json_null()) < 0)
        return -1;
    return json_object_set_new(json, "memory",
                               counted ? json_integer((json_int_t)fields->max_rss_kib * 1024) : json_null());
}

static int set_usage(json_t *json, const struct pe_stage_report *stage)
{
    if (json_object_set_new(json, "wall_time", milliseconds(stage->wall_us)) < 0 ||
        json_object_set_new(json, "cpu_time", milliseconds(stage->user_us + stage->system_us)) < 0)
        return -1;
    return json_object_set_new(json, "memory", json_integer((json_int_t)stage->max_rss_kib * 1024));
}

/* The members of a stage besides its texts. */
static json_t *ending_to_json(const struct pe_stage_report *stage, const struct pe_result *fields,
                              const struct pe_stages *all)
{
    struct ending ending = stage->ended ? ending_of(stage) : ending_of_job(fields);
    json_t *json = json_pack("{s:o, s:o, s:o, s:s?}", "code", ending.code, "signal", ending.signal, "message",
                             ending.message, "status", ending.status);
    if (!json || (stage->ended ? set_usage(json, stage) : set_rest(json, fields, all)) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* The texts of a stage can have megabytes, so they are written without a tree of values. */
static void append_stage(struct pe_json_writer *writer, const char *name, const json_t *ending,
                         const struct pe_stage_report *stage)
{
    const char *key = NULL;
    json_t *value = NULL;
    pe_json_open(writer, name, '{');
    pe_json_append_bytes(writer, "stdout", stage->out.data, stage->out.size);
    pe_json_append_bytes(writer, "stderr", stage->error.data, stage->error.size);
    pe_json_append_bytes(writer, "output", stage->both.data, stage->both.size);
    json_object_foreach((json_t *)ending, key, value)
    {
        pe_autofree char *text = json_dumps(value, JSON_ENCODE_ANY | PE_RESULT_JSON_FLAGS);
        pe_json_append_raw(writer, key, text ? text : "null", text ? strlen(text) : 4);
    }
    pe_json_close(writer, '}');
}

/* A report with other stages than requested is ignored. Then only the end of the job is known. */
static bool fits(const struct piston_request *request, const struct pe_stages *stages)
{
    const char *const names[] = {request->compiled ? "compile" : "run", "run"};
    bool fits = stages->count >= 1 && stages->count <= (request->compiled ? 2 : 1);
    for (size_t i = 0; fits && i < stages->count; i++)
        fits = !strcmp(stages->items[i].name, names[i]);
    return fits;
}

/* As in Piston, the result of a failed compilation is also reported as that of the run. */
static int append_body(const struct piston_request *request, const struct pe_result *fields,
                       const struct pe_stages *stages, struct pe_buf *out, struct pe_error *err)
{
    const struct pe_stage_report *first = &stages->items[0], *last = &stages->items[stages->count - 1];
    pe_autojson json_t *run = ending_to_json(last, fields, stages);
    pe_autojson json_t *compile = request->compiled ? ending_to_json(first, fields, stages) : NULL;
    struct pe_json_writer writer = pe_json_write(out, err);
    if (!run || (request->compiled && !compile))
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a reply");
    pe_json_open(&writer, NULL, '{');
    append_stage(&writer, "run", run, last);
    if (compile)
        append_stage(&writer, "compile", compile, first);
    pe_json_append_text(&writer, "language", request->language);
    pe_json_append_text(&writer, "version", request->version);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

int piston_reply_encode(const struct piston_request *request, const struct job_result *result,
                        struct pe_buf *out, struct pe_error *err)
{
    struct pe_error ignored;
    pe_autostages struct pe_stages stages = {0};
    const struct pe_part *report = result->parts.count ? &result->parts.items[0] : NULL;
    if (!report || report->kind != PE_PART_STDOUT || report->size > result->bytes.size)
        return pe_fail(err, PE_ERR_MALFORMED, "a result has no stdout");
    /* The job has no stdout_max. A worker that lies may send 16 times as much, of which a reply of 200 MB
     * would be made at once. */
    if (report->size > PE_STDOUT_BYTES_MAX ||
        pe_stages_read(result->bytes.data, (size_t)report->size, &stages, &ignored) < 0 ||
        !fits(request, &stages)) {
        pe_stages_free(&stages);
        stages.count = 1; /* an empty stage that has not ended */
    }
    return append_body(request, &result->fields, &stages, out, err);
}
