/* SPDX-License-Identifier: Apache-2.0 */
/* The hours of the day at which the owner of a host lets the worker run jobs. */
#ifndef PE_WORKER_OWNER_HOURS_H
#define PE_WORKER_OWNER_HOURS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { OWNER_PERIODS_MAX = 16 };

/* One of them: on these days, from one minute of the day up to another one, perhaps over midnight. */
struct owner_period {
    unsigned days;       /* bit n: the period begins on day n of struct tm, 0 is Sunday */
    unsigned begin, end; /* minutes since midnight; `end` up to 24 * 60 */
};

struct owner_hours {
    struct owner_period periods[OWNER_PERIODS_MAX];
    size_t count; /* 0: always */
};

/* Add a period: "20:00-08:00" for each day, or "mon-fri/20:00-08:00", "sat,sun/00:00-24:00". The day is that
 * on which the period begins. PE_ERR_INVALID for anything else, and if there are too many. */
int owner_hours_add(struct owner_hours *hours, const char *text, struct pe_error *err) PE_MUST_CHECK;

/* Whether the worker may run jobs at this local time. */
bool owner_hours_allow(const struct owner_hours *hours, const struct tm *local);

#endif
