/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the report of a run. */
#include "lb/cases/outcome.h"

#include "lb/cases/expected.h"

#include <string.h>

const char *case_verdict_name(int verdict)
{
    static const char *const names[CASE_VERDICTS] = {
        [CASE_OK] = "ok",
        [CASE_FAILED] = "failed",
        [CASE_TIMEOUT] = "timeout",
        [CASE_CPU_LIMIT] = "cpu_limit",
        [CASE_OOM] = "oom",
        [CASE_OUTPUT_LIMIT] = "output_limit",
        [CASE_SIGNALED] = "signaled",
        [CASE_SKIPPED] = "skipped",
        [CASE_CANNOT_START] = "cannot_start",
        [CASE_INTERRUPTED] = "interrupted",
        [CASE_RIGHT] = "right",
        [CASE_WRONG] = "wrong",
        [CASE_CHECKER_FAILED] = "checker_failed",
    };
    return names[verdict];
}

void case_outcome_free(struct case_outcome *outcome)
{
    pe_stage_report_free(&outcome->run);
    pe_stage_report_free(&outcome->check);
    *outcome = (struct case_outcome){0};
}

/* ---- memory ---- */

static size_t bytes_of(const struct pe_stage_report *run)
{
    return run->out.capacity + run->error.capacity + run->both.capacity;
}

size_t case_outcome_bytes(const struct case_outcome *outcome)
{
    return bytes_of(&outcome->run) + bytes_of(&outcome->check);
}

static void cut(struct pe_stage_report *run)
{
    run->out_cut += run->out.size;
    run->error_cut += run->error.size;
    pe_buf_free(&run->out);
    pe_buf_free(&run->error);
    pe_buf_free(&run->both);
}

void case_outcome_drop_output(struct case_outcome *outcome)
{
    cut(&outcome->run);
    cut(&outcome->check);
}

/* A report that was cut in the guest has the hash already. */
int case_outcome_cut(struct case_outcome *outcome, const struct case_run *wanted, struct pe_error *err)
{
    struct pe_stage_report *run = &outcome->run;
    const struct pe_cursor out = {.at = run->out.data, .left = run->out.size};
    if (wanted->expect.output.is_given && !run->out_cut &&
        case_output_hash(wanted->expect.is_exact, out, run->sha256, err) < 0)
        return -1;
    case_outcome_drop_output(outcome);
    return 0;
}

/* ---- status ---- */

static enum case_status status_of_unended(enum pe_status job)
{
    return job == PE_STATUS_TIMEOUT ? CASE_TIMEOUT : job == PE_STATUS_OOM ? CASE_OOM : CASE_INTERRUPTED;
}

enum case_status case_outcome_status(const struct case_outcome *outcome, const struct case_run *wanted,
                                     enum pe_status job)
{
    const struct pe_stage_report *run = &outcome->run;
    if (!outcome->has_run)
        return CASE_SKIPPED;
    if (!run->ended)
        return status_of_unended(job);
    bool is_ok = run->end == PE_STAGE_EXITED && (uint32_t)run->code == wanted->expect.exit_code;
    if (run->oom_kills && !is_ok)
        return CASE_OOM;
    switch (run->end) {
    case PE_STAGE_EXITED:
        return is_ok ? CASE_OK : CASE_FAILED;
    case PE_STAGE_SIGNALED:
        return CASE_SIGNALED;
    case PE_STAGE_WALL:
        return CASE_TIMEOUT;
    case PE_STAGE_CPU:
        return CASE_CPU_LIMIT;
    case PE_STAGE_STDOUT:
    case PE_STAGE_STDERR:
        return CASE_OUTPUT_LIMIT;
    case PE_STAGE_SKIPPED:
        return CASE_SKIPPED;
    case PE_STAGE_FAILED:
    case PE_STAGE_ENDS:
        break;
    }
    return CASE_CANNOT_START;
}

/* ---- verdict ---- */

/* If the report had no room for the end of the output, it has a hash. */
static int judge_output(const struct pe_stage_report *run, const struct case_expect *expect,
                        struct pe_error *err)
{
    char hash[PE_SHA256_HEX_SIZE];
    if (!expect->output.is_given)
        return CASE_RIGHT;
    if (run->out_cut)
        return !strcmp(run->sha256, expect->sha256) ? CASE_RIGHT : CASE_WRONG;
    const struct pe_cursor out = {.at = run->out.data, .left = run->out.size};
    if (case_output_hash(expect->is_exact, out, hash, err) < 0)
        return -1;
    return !strcmp(hash, expect->sha256) ? CASE_RIGHT : CASE_WRONG;
}

/* From this exit code on, a program could not run or was killed, as shells say it. */
#define CODE_OF_NO_DECISION 126

/* A checker that could not run, or did not end by itself, has decided nothing. */
static int judge_check(const struct case_outcome *outcome)
{
    const struct pe_stage_report *check = &outcome->check;
    if (!outcome->has_check || !check->ended || check->end != PE_STAGE_EXITED || check->oom_kills ||
        check->code >= CODE_OF_NO_DECISION)
        return CASE_CHECKER_FAILED;
    return check->code == 0 ? CASE_RIGHT : CASE_WRONG;
}

bool case_run_is_judged(const struct case_run *run)
{
    const struct case_expect *expect = &run->expect;
    return expect->has_exit_code || expect->output.is_given || expect->checker.items;
}

int case_outcome_judge(const struct case_outcome *outcome, const struct case_run *wanted, enum pe_status job,
                       struct pe_error *err)
{
    enum case_status status = case_outcome_status(outcome, wanted, job);
    if (status != CASE_OK)
        return (int)status;
    return wanted->expect.checker.items ? judge_check(outcome)
                                        : judge_output(&outcome->run, &wanted->expect, err);
}

/* ---- JSON ---- */

static void append_number_if(struct pe_json_writer *writer, const char *name, uint64_t number,
                             bool has_number)
{
    if (has_number)
        pe_json_append_number(writer, name, number);
    else
        pe_json_append_null(writer, name);
}

/* Streams are text or base64, as everywhere in the API. */
static void append_report(const struct pe_stage_report *run, struct pe_json_pieces *pieces,
                          struct pe_json_writer *writer)
{
    bool exited = run->ended && run->end == PE_STAGE_EXITED;
    bool signaled = run->ended && run->end == PE_STAGE_SIGNALED;
    append_number_if(writer, "exit_code", (uint64_t)run->code, exited);
    append_number_if(writer, "signal", (uint64_t)run->signal, signaled);
    pe_json_pieces_append(pieces, writer, "stdout", &run->out);
    pe_json_pieces_append(pieces, writer, "stderr", &run->error);
    if (run->out_cut)
        pe_json_append_number(writer, "stdout_cut", run->out_cut);
    if (run->error_cut)
        pe_json_append_number(writer, "stderr_cut", run->error_cut);
    pe_json_append_ms(writer, "wall_ms", run->wall_us);
    pe_json_append_ms(writer, "cpu_ms", run->user_us + run->system_us);
    pe_json_append_number(writer, "peak_memory_kib", run->max_rss_kib);
}

static void append_check(const struct pe_stage_report *check, enum pe_status job,
                         struct pe_json_pieces *pieces, struct pe_json_writer *writer)
{
    static const struct case_run nothing;
    const struct case_outcome outcome = {.has_run = true, .run = *check};
    pe_json_open(writer, "checker", '{');
    pe_json_append_text(writer, "status", case_verdict_name(case_outcome_status(&outcome, &nothing, job)));
    append_report(check, pieces, writer);
    pe_json_close(writer, '}');
}

void case_outcome_append(const struct case_outcome *outcome, const struct case_run *wanted,
                         enum pe_status job, int verdict, struct pe_json_pieces *pieces,
                         struct pe_json_writer *writer)
{
    enum case_status status =
        verdict == CASE_SKIPPED ? CASE_SKIPPED : case_outcome_status(outcome, wanted, job);
    pe_json_append_text(writer, "name", wanted->name);
    pe_json_append_text(writer, "status", case_verdict_name((int)status));
    if (verdict >= 0)
        pe_json_append_text(writer, "verdict", case_verdict_name(verdict));
    if (status == CASE_SKIPPED)
        return;
    append_report(&outcome->run, pieces, writer);
    if (outcome->has_check)
        append_check(&outcome->check, job, pieces, writer);
}
