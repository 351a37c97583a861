/* The log of the servers. One write(2) a line, so that lines of several processes never mix. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *log_program = "pe";
static enum pe_log_level log_least = PE_LOG_INFO;

static bool log_json;
static pid_t log_pid; /* 0: not asked for since the last fork */

static void forget_pid(void)
{
    log_pid = 0;
}

void pe_log_use_json(void)
{
    log_json = true;
}

void pe_log_init(const char *program)
{
    log_program = program;
    pthread_atfork(NULL, NULL, forget_pid);
    const char *wanted = getenv("PE_LOG"), *format = getenv("PE_LOG_FORMAT");
    log_json = format && !strcmp(format, "json");
    for (int level = PE_LOG_DEBUG; wanted && level <= PE_LOG_ERROR; level++)
        if (!strcmp(wanted, level_names[level]))
            log_least = (enum pe_log_level)level;
}

/* What of untrusted text must not break the line's form: control characters, quotes, backslashes and, since
 * JSON is UTF-8, bytes beyond ASCII that nobody has checked. */
static void make_quotable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
        else if (*text == '"')
            *text = '\'';
        else if (log_json && *text == '\\')
            *text = '/';
        else if (log_json && (unsigned char)*text >= 0x80)
            *text = '?';
}

static void write_line(enum pe_log_level level, const char *request, const char *message)
{
    /* Servers write many lines a second. */
    static char when[32];
    static time_t second;
    char line[2432], about[128] = "";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm utc;
        second = now.tv_sec;
        gmtime_r(&second, &utc);
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    }
    if (!log_pid)
        log_pid = getpid();
    if (request)
        snprintf(about, sizeof about, log_json ? "\"request\":\"%.64s\"," : "request=%.64s ", request);
    int n =
        snprintf(line, sizeof line,
                 log_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"prog\":\"%s\",\"pid\":%d,%s"
                            "\"msg\":\"%s\"}\n"
                          : "time=%s.%03ldZ level=%s prog=%s pid=%d %smsg=\"%s\"\n",
                 when, now.tv_nsec / 1000000, level_names[level], log_program, (int)log_pid, about, message);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        return; /* a log that cannot be written has nowhere to say so */
}

static void log_message(enum pe_log_level level, const char *request, const char *format, va_list args)
{
    char message[2048];
    vsnprintf(message, sizeof message, format, args);
    make_quotable(message);
    write_line(level, request, message);
}

void pe_log(enum pe_log_level level, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_message(level, NULL, format, args);
    va_end(args);
}

void pe_log_about(enum pe_log_level level, const char *request, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_message(level, request, format, args);
    va_end(args);
}
