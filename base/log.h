/* One line per event on stderr, logfmt: time, level, program, msg, then what the message names.
 * Servers log; libraries return errors (base/error.h) and one-shot programs print them. */
#ifndef PE_BASE_LOG_H
#define PE_BASE_LOG_H

enum pe_log_level { PE_LOG_DEBUG, PE_LOG_INFO, PE_LOG_WARN, PE_LOG_ERROR };

/* The least level that is written; default PE_LOG_INFO, from the environment's PE_LOG
 * (debug|info|warn|error). */
void pe_log_init(const char *program);

void pe_log(enum pe_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
