/* One line per event on stderr, logfmt or JSON: time, level, program, pid, the request it is about, msg.
 * Servers log; libraries return errors (base/error.h) and one-shot programs print them. */
#ifndef PE_BASE_LOG_H
#define PE_BASE_LOG_H

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/* The least level that is written; default PE_LOG_INFO, from the environment's PE_LOG
 * (debug|info|warn|error). */
void pe_log_init(const char *program);

/* One line as JSON instead of logfmt; also the environment's PE_LOG_FORMAT=json. */
void pe_log_use_json(void);

/* From now on lines of PE_LOG_INFO and less wait for pe_log_flush, for the next line of more weight, until
 * PIPE_BUF bytes of them wait, or for exit(3): for an event loop, which flushes before it waits. */
void pe_log_batch(void);
void pe_log_flush(void);

void pe_log(enum pe_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As pe_log, with the id of the request that it is about as a field of its own, `request`: the balancer and
 * the worker log the same id for the same job. */
void pe_log_about(enum pe_log_level level, const char *request, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
