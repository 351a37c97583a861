/* SPDX-License-Identifier: Apache-2.0 */
/* How a failure travels. A function that can fail takes a `struct pe_error *` as its last argument
 * and returns a negative number or NULL on failure. The function that knows most writes the
 * message, with the name of the object. Callers put context in front of it, and exactly one of them
 * prints it or answers a request with it. On success the error stays as it was. */
#ifndef PE_BASE_ERROR_H
#define PE_BASE_ERROR_H

#define PE_MUST_CHECK __attribute__((warn_unused_result))

/* The kind of a failure. The balancer maps it to an HTTP status (proto/problem.h). */
enum pe_error_kind {
    PE_ERR_INTERNAL = 1, /* a fault of the program or the machine: 500 */
    PE_ERR_MALFORMED,    /* bytes that do not have the expected form: 400 */
    PE_ERR_INVALID,      /* the form is right, but a value is not allowed: 422 */
    PE_ERR_NOT_FOUND,    /* a named thing does not exist: 404 */
    PE_ERR_TOO_LARGE,    /* a limit is exceeded: 413 */
    PE_ERR_UNSUPPORTED,  /* the bytes have a media type or coding that is not understood: 415 */
    PE_ERR_BUSY,         /* there is no capacity now, but perhaps later: 503 */
    PE_ERR_LOST,         /* the peer disappeared or took too long: 504 */
    PE_ERR_TIMEOUT,      /* the peer took too long, and may be quicker at another time: 504 */
    PE_ERR_CANCELED,     /* the caller does not want the result any more */
};

#define PE_ERROR_MESSAGE_MAX 1024 /* bytes with the NUL; longer messages are cut */

struct pe_error {
    enum pe_error_kind kind;
    int errnum; /* errno at the failure, 0 if none */
    char message[PE_ERROR_MESSAGE_MAX];
};

/* Set `err` and return -1, so that a failure is one `return` statement. */
int pe_fail(struct pe_error *err, enum pe_error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As pe_fail with the kind PE_ERR_INTERNAL. Appends ": " and the text of the current errno. */
int pe_fail_errno(struct pe_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "context: " in front of the message of a failure. Returns -1. */
int pe_fail_context(struct pe_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A copy for another process: an assignment would also copy what is behind the end of the message, that is
 * old bytes of this process's stack. */
struct pe_error pe_error_copy(const struct pe_error *err);

/* Print "PROGRAM: message" and exit with `status`. Only for the main function of one-shot programs
 * and for forked children. */
void pe_die(int status, const struct pe_error *err) __attribute__((noreturn));

#endif
