/* SPDX-License-Identifier: Apache-2.0 */
/* Reading periods, and comparing them with a wall clock. What a clock shows counts, so a change to or from
 * summer time, or a clock that is set, needs no code. */
#include "worker/owner_hours.h"

#include <string.h>

#define DAY_MINUTES (24u * 60u)
#define EVERY_DAY 0x7fu

static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* Read the name of a day. Returns its number, or -1. */
static int read_day(const char **at)
{
    for (int day = 0; day < 7; day++)
        if (strncmp(*at, day_names[day], 3) == 0) {
            *at += 3;
            return day;
        }
    return -1;
}

/* Read "mon" or "mon-fri", which may go over the end of a week. */
static int read_day_range(const char **at, unsigned *days)
{
    const int first = read_day(at);
    int last = first;
    if (first < 0)
        return -1;
    if (**at == '-') {
        ++*at;
        last = read_day(at);
    }
    if (last < 0)
        return -1;
    *days |= 1u << first;
    for (int day = first; day != last; *days |= 1u << day)
        day = (day + 1) % 7;
    return 0;
}

/* Read the days up to "/". Without one, it is every day. */
static int read_days(const char **at, unsigned *days)
{
    *days = 0;
    if (!strchr(*at, '/')) {
        *days = EVERY_DAY;
        return 0;
    }
    for (;;) {
        if (read_day_range(at, days) < 0)
            return -1;
        const char next = *(*at)++;
        if (next == '/')
            return 0;
        if (next != ',')
            return -1;
    }
}

/* Read "HH:MM", up to 24:00. */
static int read_time(const char **at, unsigned *minutes)
{
    unsigned digits[4];
    const char *c = *at;
    for (size_t i = 0; i < 4; i++, c++) {
        if (i == 2 && *c++ != ':')
            return -1;
        if (*c < '0' || *c > '9')
            return -1;
        digits[i] = (unsigned)(*c - '0');
    }
    *at = c;
    *minutes = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3];
    return digits[2] < 6 && *minutes <= DAY_MINUTES ? 0 : -1;
}

int owner_hours_add(struct owner_hours *hours, const char *text, struct pe_error *err)
{
    struct owner_period period;
    const char *at = text;
    if (read_days(&at, &period.days) < 0 || read_time(&at, &period.begin) < 0 || *at++ != '-' ||
        read_time(&at, &period.end) < 0 || *at || period.begin == period.end || period.begin == DAY_MINUTES)
        return pe_fail(err, PE_ERR_INVALID,
                       "--hours '%.80s' is no period, as in 20:00-08:00, mon-fri/20:00-08:00 or "
                       "sat,sun/00:00-24:00",
                       text);
    if (hours->count == OWNER_PERIODS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--hours was given more than %d times", OWNER_PERIODS_MAX);
    hours->periods[hours->count++] = period;
    return 0;
}

static bool is_within(const struct owner_period *period, unsigned day, unsigned minute)
{
    const bool today = period->days & 1u << day, yesterday = period->days & 1u << (day + 6) % 7;
    if (period->begin < period->end)
        return today && minute >= period->begin && minute < period->end;
    return (today && minute >= period->begin) || (yesterday && minute < period->end);
}

bool owner_hours_allow(const struct owner_hours *hours, const struct tm *local)
{
    const unsigned minute = (unsigned)(local->tm_hour * 60 + local->tm_min);
    for (size_t i = 0; i < hours->count; i++)
        if (is_within(&hours->periods[i], (unsigned)local->tm_wday % 7, minute))
            return true;
    return hours->count == 0;
}
