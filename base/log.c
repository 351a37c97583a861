/* SPDX-License-Identifier: Apache-2.0 */
/* The log of the servers. Each write(2) has complete lines, so that lines of several processes
 * never mix. */
#include "base/log.h"

#include "base/control.h"

#include <limits.h>
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
static char log_pid[16]; /* empty until the first line after a fork */

/* Lines that pe_log_batch keeps for pe_log_flush. */
static struct {
    bool wanted;
    size_t size;
    char text[PIPE_BUF]; /* the most that write(2) writes to a pipe in one piece, pipe(7) */
} batch;

static struct {
    pe_log_watcher *watch; /* NULL: none */
    void *data;
} watcher;

void pe_log_watch(pe_log_watcher *watch, void *data)
{
    watcher.watch = watch;
    watcher.data = data;
}

/* In a forked child: it has its own process id, and its parent writes the lines that were kept. */
static void forget_parent(void)
{
    log_pid[0] = '\0';
    batch.size = 0;
}

void pe_log_flush(void)
{
    size_t size = batch.size;
    batch.size = 0;
    if (size && write(STDERR_FILENO, batch.text, size) < 0)
        return; /* there is no place to report this */
}

void pe_log_batch(void)
{
    batch.wanted = true;
    atexit(pe_log_flush);
}

void pe_log_use_json(void)
{
    log_json = true;
}

void pe_log_init(const char *program)
{
    log_program = program;
    pthread_atfork(NULL, NULL, forget_parent);
    const char *wanted = getenv("PE_LOG"), *format = getenv("PE_LOG_FORMAT");
    log_json = format && !strcmp(format, "json");
    for (int level = PE_LOG_DEBUG; wanted && level <= PE_LOG_ERROR; level++)
        if (!strcmp(wanted, level_names[level]))
            log_least = (enum pe_log_level)level;
}

/* Replace what could break the form of a line, or command a terminal that shows it: control characters,
 * quotes and backslashes. JSON must be UTF-8, so bytes beyond ASCII are replaced as well, because nobody
 * has checked them. */
static void make_quotable(char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        size_t control = pe_control_size(text + i, length - i);
        if (control) {
            memset(text + i, ' ', control);
            i += control - 1;
        } else if (text[i] == '"') {
            text[i] = '\'';
        } else if (log_json && text[i] == '\\') {
            text[i] = '/';
        } else if (log_json && (unsigned char)text[i] >= 0x80) {
            text[i] = '?';
        }
    }
}

/* The time as in RFC 3339, with milliseconds. The part up to the second is kept, because many lines
 * have the same. */
static const char *time_text(const struct timespec *now)
{
    static char text[32];
    static size_t before_ms;
    static time_t second;
    if (now->tv_sec != second) {
        struct tm utc;
        second = now->tv_sec;
        gmtime_r(&second, &utc);
        before_ms = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &utc);
    }
    unsigned ms = (unsigned)(now->tv_nsec / 1000000) % 1000;
    const char digits[] = {(char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z',
                           '\0'};
    memcpy(text + before_ms, digits, sizeof digits);
    return text;
}

enum { MESSAGE_MAX = 2048 };

/* A line under construction. Text that does not fit is left out. */
struct line {
    char text[MESSAGE_MAX + 512];
    size_t size;
};

static void append(struct line *line, const char *text)
{
    size_t room = sizeof line->text - line->size, size = strlen(text);
    size = size < room ? size : room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

/* Append a value after `before`, or after `before_json` if the log is JSON. */
static void append_member(struct line *line, const char *before, const char *before_json, const char *value)
{
    append(line, log_json ? before_json : before);
    append(line, value);
}

static void write_out(enum pe_log_level level, const char *text, size_t size)
{
    if (size > sizeof batch.text - batch.size)
        pe_log_flush();
    memcpy(batch.text + batch.size, text, size);
    batch.size += size;
    if (!batch.wanted || level > PE_LOG_INFO)
        pe_log_flush();
}

static void write_line(enum pe_log_level level, const char *request, const char *trace, const char *message)
{
    struct line line;
    struct timespec now;
    line.size = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!log_pid[0])
        snprintf(log_pid, sizeof log_pid, "%d", (int)getpid());
    append_member(&line, "time=", "{\"time\":\"", time_text(&now));
    append_member(&line, " level=", "\",\"level\":\"", level_names[level]);
    append_member(&line, " prog=", "\",\"prog\":\"", log_program);
    append_member(&line, " pid=", "\",\"pid\":", log_pid);
    if (request)
        append_member(&line, " request=", ",\"request\":\"", request);
    if (trace)
        append_member(&line, " trace=", request ? "\",\"trace\":\"" : ",\"trace\":\"", trace);
    append_member(&line, " msg=\"", request || trace ? "\",\"msg\":\"" : ",\"msg\":\"", message);
    append(&line, log_json ? "\"}\n" : "\"\n");
    write_out(level, line.text, line.size);
}

static void log_message(enum pe_log_level level, const char *request, const char *trace, const char *format,
                        va_list args)
{
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof message, format, args);
    make_quotable(message);
    if (watcher.watch && level >= PE_LOG_WARN)
        watcher.watch(watcher.data, level, request, message);
    write_line(level, request, trace, message);
}

void pe_log(enum pe_log_level level, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_message(level, NULL, NULL, format, args);
    va_end(args);
}

void pe_log_about(enum pe_log_level level, const char *request, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_message(level, request, NULL, format, args);
    va_end(args);
}

void pe_log_traced(enum pe_log_level level, const char *request, const char *trace, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_message(level, request, trace, format, args);
    va_end(args);
}
