/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `pe-worker doctor` and `pe-lb doctor`: checks, each with a result and one line of text that
 * says what to do. It is printed for people, line by line as it is made, or as one JSON object for scripts
 * (doctor/report.schema.json). */
#ifndef PE_DOCTOR_REPORT_H
#define PE_DOCTOR_REPORT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum doctor_status {
    DOCTOR_OK,
    DOCTOR_WARNING, /* the machine has it, and it could be better */
    DOCTOR_MISSING, /* the machine does not have it */
    DOCTOR_UNTRIED, /* nobody has looked */
};

/* Exit status of a doctor. */
enum doctor_exit {
    DOCTOR_EXIT_USABLE = 0,   /* the program can do its work here, even if something is missing */
    DOCTOR_EXIT_UNUSABLE = 1, /* it cannot */
    DOCTOR_EXIT_USAGE = 2,    /* the command line is wrong, or nothing could be found out */
};

struct doctor_report;

/* Begin a report about `program`, as in "pe-worker", which must outlive it. With `json`, nothing is printed
 * before doctor_finish. The caller frees it. NULL with PE_ERR_INTERNAL without memory. */
struct doctor_report *doctor_report_new(const char *program, bool json, struct pe_error *err) PE_MUST_CHECK;

/* Free a report. NULL is allowed. */
void doctor_report_free(struct doctor_report *report);

/* Begin a section with this heading, which is printed for people only. */
void doctor_section(struct doctor_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Add a check. `id` names it for scripts, and so must never change: [a-z0-9.+,=-]+, listed in
 * docs/operations.md. The text is one line, for people. */
void doctor_say(struct doctor_report *report, enum doctor_status status, const char *id, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* Add a check whose result is that of a function: with `failed`, its status is `bad` and the text is the
 * message of `why`, else DOCTOR_OK and `good`. `subject` stands in front of both. */
void doctor_check(struct doctor_report *report, const char *id, const char *subject, int failed,
                  enum doctor_status bad, const struct pe_error *why, const char *good);

/* As doctor_say, for something without which the program cannot do its work: doctor_finish says so. */
void doctor_say_unusable(struct doctor_report *report, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Add a fact for scripts, such as "engine": a member of "facts" in the JSON object. */
void doctor_fact(struct doctor_report *report, const char *name, const char *value);

/* Write an id to `id`: `prefix`, a dot, and `name` with every other character as '-' ("jail" and "PID
 * namespace" are "jail.pid-namespace"). */
#define DOCTOR_ID_MAX 96u
void doctor_id(const char *prefix, const char *name, char id[DOCTOR_ID_MAX]);

/* Print the end, with `can` ("Jobs can run here") if nothing stands against it, or `cannot`. Returns the exit
 * status, DOCTOR_EXIT_USABLE or DOCTOR_EXIT_UNUSABLE; DOCTOR_EXIT_USAGE if there is no memory for the report,
 * or it cannot be written. */
int doctor_finish(struct doctor_report *report, const char *can, const char *cannot);

#endif
