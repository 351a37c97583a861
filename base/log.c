/* The log of the servers. One write(2) a line, so that lines of several processes never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *log_program = "pe";
static enum pe_log_level log_least = PE_LOG_INFO;

void pe_log_init(const char *program)
{
    log_program = program;
    const char *wanted = getenv("PE_LOG");
    for (int level = PE_LOG_DEBUG; wanted && level <= PE_LOG_ERROR; level++)
        if (!strcmp(wanted, level_names[level]))
            log_least = (enum pe_log_level)level;
}

/* Control characters and quotes of untrusted text must not break the line's form. */
static void make_quotable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
        else if (*text == '"')
            *text = '\'';
}

void pe_log(enum pe_log_level level, const char *format, ...)
{
    if (level < log_least)
        return;
    char message[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    make_quotable(message);

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char line[2304];
    int n = snprintf(line, sizeof line,
                     "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s prog=%s pid=%d msg=\"%s\"\n",
                     utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     now.tv_nsec / 1000000, level_names[level], log_program, (int)getpid(), message);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        return; /* a log that cannot be written has nowhere to say so */
}
