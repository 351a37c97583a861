/* SPDX-License-Identifier: Apache-2.0 */
/* Columns, colours, and the sentence at the end. */
#include "cli/case_table.h"

#include <string.h>

/* ECMA-48, SGR. */
#define GREEN "\033[32m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

/* ---- columns ---- */

/* The characters of a text that is perhaps UTF-8: bytes that continue one are not counted. */
static int characters(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static int widest(const struct case_row *rows, size_t count, int width)
{
    for (size_t i = 0; i < count; i++) {
        int own = characters(rows[i].name);
        width = own > width ? own : width;
    }
    return width;
}

static const char *exit_text(const struct case_row *row, char text[16])
{
    const char *name = row->signal ? sigabbrev_np(row->signal) : NULL;
    if (name)
        snprintf(text, 16, "SIG%s", name);
    else if (row->signal)
        snprintf(text, 16, "signal %d", row->signal);
    else if (row->exit_code >= 0)
        snprintf(text, 16, "%d", row->exit_code);
    else
        snprintf(text, 16, "-");
    return text;
}

static void write_row(const struct case_row *row, int width, bool has_colours, FILE *out)
{
    char ended[16];
    const char *colour = row->is_good ? GREEN : strcmp(row->verdict, "skipped") != 0 ? RED : "";
    if (!row->is_known)
        return;
    fprintf(out, "%s%*s  ", row->name, width - characters(row->name), "");
    fprintf(out, "%s%s%s", has_colours ? colour : "", row->verdict, has_colours && *colour ? PLAIN : "");
    if (row->has_run)
        fprintf(out, "%*s  %9.1f  %9.1f  %8lld  %s", 14 - characters(row->verdict), "", row->wall_ms,
                row->cpu_ms, (long long)row->memory_kib, exit_text(row, ended));
    fputc('\n', out);
    if (row->note[0])
        fprintf(out, "%*s  %s\n", width, "", row->note);
}

static void write_rows(const struct case_report *report, bool has_colours, FILE *out)
{
    int width = widest(report->cases, report->case_count, (int)strlen("case"));
    width = widest(report->stages, report->stage_count, width);
    fprintf(out, "%-*s  %-14s  %9s  %9s  %8s  %s\n", width, report->case_count ? "case" : "stage", "verdict",
            "time ms", "cpu ms", "KiB", "exit");
    for (size_t i = 0; i < report->stage_count; i++)
        write_row(&report->stages[i], width, has_colours, out);
    for (size_t i = 0; i < report->case_count; i++)
        write_row(&report->cases[i], width, has_colours, out);
}

/* ---- the sentence ---- */

static const struct case_row *first_bad(const struct case_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].is_known && !rows[i].is_good)
            return &rows[i];
    return NULL;
}

static void write_reason(const struct case_row *row, FILE *out)
{
    static const char *const reasons[][2] = {
        {"wrong", "wrong answer"},
        {"timeout", "time limit exceeded"},
        {"cpu_limit", "processor time limit exceeded"},
        {"oom", "memory limit exceeded"},
        {"output_limit", "output limit exceeded"},
        {"cannot_start", "the program could not be started"},
        {"checker_failed", "the checker failed"},
    };
    const char *reason = row->verdict;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (!strcmp(row->verdict, reasons[i][0]))
            reason = reasons[i][1];
    if (!strcmp(row->verdict, "failed") && row->exit_code >= 0)
        fprintf(out, "exit code %d", row->exit_code);
    else if (!strcmp(row->verdict, "signaled") && row->signal)
        fprintf(out, "killed by signal %d (%s)", row->signal, strsignal(row->signal));
    else
        fputs(reason, out);
}

static void write_sentence(const struct case_report *report, FILE *out)
{
    const struct case_row *stage = first_bad(report->stages, report->stage_count);
    const struct case_row *bad = first_bad(report->cases, report->case_count);
    if (report->case_count)
        fprintf(out, "%zu of %zu right", report->right, report->case_count);
    else
        fprintf(out, "%zu stage%s", report->stage_count, report->stage_count == 1 ? "" : "s");
    if (!report->case_count && !stage)
        fputs(": ok", out);
    if (stage || bad) {
        fputs(": ", out);
        write_reason(stage ? stage : bad, out);
        fprintf(out, " in %s %s", stage ? "stage" : "case", (stage ? stage : bad)->name);
    } else if (report->done < report->case_count) {
        fprintf(out, ": the result of %zu is missing", report->case_count - report->done);
    }
    fputc('\n', out);
}

void case_table_write(const struct case_report *report, bool has_colours, FILE *out)
{
    write_rows(report, has_colours, out);
    write_sentence(report, out);
}
