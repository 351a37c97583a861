/* How a failure travels. Every function that can fail takes a `struct pe_error *` last and returns a negative
 * number (or NULL) on failure; the place that knows most writes the message with the name of the object,
 * callers put context in front, and exactly one place prints or answers it. On success the error is left
 * untouched. */
#ifndef PE_BASE_ERROR_H
#define PE_BASE_ERROR_H

#define PE_MUST_CHECK __attribute__((warn_unused_result))

/* What kind of failure it is; the balancer maps a kind to an HTTP status (proto/problem.h). */
enum pe_error_kind {
    PE_ERR_INTERNAL = 1, /* our own fault or the host's: 500 */
    PE_ERR_MALFORMED,    /* bytes that are not what they claim to be: 400 */
    PE_ERR_INVALID,      /* well formed, but a value is not allowed: 422 */
    PE_ERR_NOT_FOUND,    /* a named thing does not exist: 404 */
    PE_ERR_TOO_LARGE,    /* a limit is exceeded: 413 */
    PE_ERR_BUSY,         /* no capacity now, later perhaps: 503 */
    PE_ERR_LOST,         /* the other side went away or took too long: 504 */
    PE_ERR_CANCELED,     /* the asker no longer wants it */
};

#define PE_ERROR_MESSAGE_MAX 1024 /* bytes with the NUL; longer messages are cut */

struct pe_error {
    enum pe_error_kind kind;
    int errnum; /* errno at the failure, 0 if none */
    char message[PE_ERROR_MESSAGE_MAX];
};

/* Set `err` and return -1, so that failing is one `return`. */
int pe_fail(struct pe_error *err, enum pe_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As pe_fail with kind PE_ERR_INTERNAL, appending ": " and the text of the current errno. */
int pe_fail_errno(struct pe_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "context: " in front of a message already set; returns -1. */
int pe_fail_context(struct pe_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For one-shot programs and forked children only: print "PROGRAM: message" and exit with `status`. */
void pe_die(int status, const struct pe_error *err) __attribute__((noreturn));

#endif
