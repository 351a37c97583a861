/* SPDX-License-Identifier: Apache-2.0 */
/* The log of the servers: one line per event on stderr, as logfmt or JSON, with time, level,
 * program, pid, the request if there is one, and a message. Functions that can fail do not log.
 * They return an error (base/error.h), which a server logs and a one-shot program prints. */
#ifndef PE_BASE_LOG_H
#define PE_BASE_LOG_H

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/* Set the program's name, and read the environment: PE_LOG is the lowest level that is written
 * (debug, info, warn or error; info if it is not set), and PE_LOG_FORMAT=json selects JSON. */
void pe_log_init(const char *program);

/* Write JSON instead of logfmt from now on. */
void pe_log_use_json(void);

/* Keep lines of the levels PE_LOG_DEBUG and PE_LOG_INFO from now on, so that an event loop writes
 * them with one write(2) before it waits. They are written by pe_log_flush, before a line of a
 * higher level, when there are PIPE_BUF bytes of them, and at exit(3). */
void pe_log_batch(void);

/* Write the lines that pe_log_batch has kept. */
void pe_log_flush(void);

/* What pe_log_watch() calls. It must not log. `request` can be NULL. */
typedef void pe_log_watcher(void *data, enum pe_log_level level, const char *request, const char *message);

/* Call `watch` for each line of the levels PE_LOG_WARN and PE_LOG_ERROR that is written from now on. There is
 * one such function in a process. */
void pe_log_watch(pe_log_watcher *watch, void *data);

/* Write one line. Control characters and quotes in the message are replaced, so that text from
 * outside cannot break the form of the line. */
void pe_log(enum pe_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As pe_log, with the id of the request in a field `request`. The balancer and the worker log the
 * same id for the same job. */
void pe_log_about(enum pe_log_level level, const char *request, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As pe_log_about, and with the id of the trace in a field `trace`, unless `trace` is NULL. The id is
 * written as it is: it must be made of hex digits (codec/trace_context.h). */
void pe_log_traced(enum pe_log_level level, const char *request, const char *trace, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
