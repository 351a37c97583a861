/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting of errors. Nothing here writes to the log. */
#include "base/error.h"

#include "base/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pe_fail(struct pe_error *err, enum pe_error_kind kind, const char *format, ...)
{
    va_list args;
    err->kind = kind;
    err->errnum = 0;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return -1;
}

int pe_fail_errno(struct pe_error *err, const char *format, ...)
{
    int saved = errno;
    va_list args;
    err->kind = PE_ERR_INTERNAL;
    err->errnum = saved;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used < sizeof err->message)
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(saved));
    return -1;
}

struct pe_error pe_error_copy(const struct pe_error *err)
{
    struct pe_error copy = {.kind = err->kind, .errnum = err->errnum};
    memcpy(copy.message, err->message, strnlen(err->message, sizeof err->message - 1));
    return copy;
}

int pe_fail_context(struct pe_error *err, const char *format, ...)
{
    char cause[PE_ERROR_MESSAGE_MAX];
    memcpy(cause, err->message, sizeof cause);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n;
    if (used + 2 < sizeof err->message) {
        size_t room = sizeof err->message - used;
        snprintf(err->message + used, room, ": %.*s", (int)room - 3, cause);
    }
    return -1;
}

/* A message may have texts of others, which could command the terminal. */
void pe_die(int status, const struct pe_error *err)
{
    const char *at = err->message;
    fprintf(stderr, "%s: ", program_invocation_short_name);
    for (size_t left = strlen(at), size = 0; left; at += size, left -= size) {
        const size_t control = *at == '\n' ? 0 : pe_control_size(at, left);
        size = control ? control : 1;
        fputc(control ? '?' : *at, stderr);
    }
    fputc('\n', stderr);
    exit(status);
}
