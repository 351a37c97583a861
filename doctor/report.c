/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting checks, and printing them. What is checked is in the files of the programs and beside this
 * one. */
#include "doctor/report.h"

#include "base/cleanup.h"
#include "codec/json_list.h"
#include "codec/utf8_text.h"
#include "proto/job_spec.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1400u

struct doctor_report {
    const char *program;
    bool json;
    json_t *checks, *facts;
    size_t findings;    /* checks that are not DOCTOR_OK */
    char unusable[512]; /* ids of what stands against it, separated by ", " */
};

static const char *const words[] = {[DOCTOR_OK] = "ok",
                                    [DOCTOR_WARNING] = "warning",
                                    [DOCTOR_MISSING] = "missing",
                                    [DOCTOR_UNTRIED] = "untried"};

struct doctor_report *doctor_report_new(const char *program, bool json, struct pe_error *err)
{
    struct doctor_report *report = calloc(1, sizeof *report);
    if (report)
        *report = (struct doctor_report){
            .program = program, .json = json, .checks = json_array(), .facts = json_object()};
    if (report && report->checks && report->facts)
        return report;
    doctor_report_free(report);
    pe_fail(err, PE_ERR_INTERNAL, "out of memory for the report");
    return NULL;
}

void doctor_report_free(struct doctor_report *report)
{
    if (!report)
        return;
    json_decref(report->checks);
    json_decref(report->facts);
    free(report);
}

void doctor_section(struct doctor_report *report, const char *format, ...)
{
    va_list list;
    if (report->json)
        return;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf(":\n");
}

/* A text may hold anything that a file of the host does. One line of printable characters is left of it. */
static void make_line(char *text)
{
    for (char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
}

static json_t *text_to_json(const char *text)
{
    return json_string(pe_utf8_valid(text, strlen(text)) ? text : "(a text that is not UTF-8)");
}

static void add(struct doctor_report *report, enum doctor_status status, const char *id, char *text)
{
    make_line(text);
    pe_json_list_add(&report->checks, json_pack("{s:s, s:s, s:o}", "id", id, "status", words[status], "text",
                                                text_to_json(text)));
    report->findings += status != DOCTOR_OK;
    if (report->json)
        return;
    printf("  %-8s %s\n", words[status], text);
    fflush(stdout); /* the next check may take long */
}

void doctor_say(struct doctor_report *report, enum doctor_status status, const char *id, const char *format,
                ...)
{
    char text[TEXT_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    add(report, status, id, text);
}

void doctor_check(struct doctor_report *report, const char *id, const char *subject, int failed,
                  enum doctor_status bad, const struct pe_error *why, const char *good)
{
    doctor_say(report, failed < 0 ? bad : DOCTOR_OK, id, "%s: %s", subject, failed < 0 ? why->message : good);
}

void doctor_say_unusable(struct doctor_report *report, const char *id, const char *format, ...)
{
    char text[TEXT_MAX];
    size_t used = strlen(report->unusable);
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    add(report, DOCTOR_MISSING, id, text);
    snprintf(report->unusable + used, sizeof report->unusable - used, "%s%s", used ? ", " : "", id);
}

void doctor_fact(struct doctor_report *report, const char *name, const char *value)
{
    if (json_object_set_new(report->facts, name, text_to_json(value)) == 0)
        return;
    json_decref(report->facts); /* there is no memory: the whole report fails at its end */
    report->facts = NULL;
}

void doctor_id(const char *prefix, const char *name, char id[DOCTOR_ID_MAX])
{
    int used = snprintf(id, DOCTOR_ID_MAX, "%s.%s", prefix, name);
    for (char *c = id; c < id + used && *c; c++)
        *c = isalnum((unsigned char)*c) || strchr(".+,=", *c) ? (char)tolower((unsigned char)*c) : '-';
}

static int print_json(const struct doctor_report *report, const char *summary)
{
    pe_autojson json_t *whole =
        json_pack("{s:i, s:s, s:b, s:s, s:O, s:O}", "schema", 1, "program", report->program, "usable",
                  !report->unusable[0], "summary", summary, "facts", report->facts, "checks", report->checks);
    if (whole && json_dumpf(whole, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n')
        return 0;
    fprintf(stderr, "%s doctor: cannot print the report%s\n", report->program,
            whole ? "" : ": out of memory");
    return -1;
}

int doctor_finish(struct doctor_report *report, const char *can, const char *cannot)
{
    char summary[TEXT_MAX];
    if (report->unusable[0])
        snprintf(summary, sizeof summary, "%s: see %s.", cannot, report->unusable);
    else
        snprintf(summary, sizeof summary, "%s.", can);
    if (report->json && print_json(report, summary) < 0)
        return DOCTOR_EXIT_USAGE;
    if (!report->json)
        printf("%s %zu lines above do not begin with \"ok\".\n", summary, report->findings);
    return report->unusable[0] ? DOCTOR_EXIT_UNUSABLE : DOCTOR_EXIT_USABLE;
}
