/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting and parsing of times. */
#include "base/time_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define SECONDS_MAX (3650LL * DAY_S)

const char *pe_time_text(int64_t seconds, char text[PE_TIME_TEXT_SIZE])
{
    struct tm utc;
    const time_t time = (time_t)seconds;
    text[0] = '\0';
    if (seconds > 0 && gmtime_r(&time, &utc))
        text[strftime(text, PE_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc)] = '\0';
    return text;
}

static int64_t unit_seconds(const char *unit)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", DAY_S}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(unit, units[i].name))
            return units[i].seconds;
    return 0;
}

int64_t pe_duration_parse(const char *text, struct pe_error *err)
{
    const size_t digits = strspn(text, "0123456789");
    const int64_t unit = unit_seconds(text + digits);
    int64_t number = 0;
    for (size_t i = 0; i < digits && number <= SECONDS_MAX; i++)
        number = 10 * number + (text[i] - '0');
    if (!unit || number < 1 || number > SECONDS_MAX || number * unit > SECONDS_MAX)
        return pe_fail(err, PE_ERR_INVALID,
                       "'%.64s' is no duration: expected a number and s, m, h or d, as in 90s or 1h, and at "
                       "most 3650d",
                       text);
    return number * unit;
}
