/* What an image offers to Piston's clients: the metadata field `piston`, an array of runtimes.
 *
 *   language         "c", required
 *   version          a semantic version, required
 *   aliases          other names of the language
 *   runtime          what runs it, when that is not the language: "gcc"
 *   compile          words of the compile stage; none: there is none. "{files}" stands for the names of the
 * text files that were sent run              words of the run stage, required; "{main}" is the first text
 * file, "{args}" the request's arguments limit_overrides  limits of this runtime (PE_RUNTIME_LIMITS) that
 * differ from the service's */
#ifndef PE_PROTO_RUNTIMES_H
#define PE_PROTO_RUNTIMES_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define PE_RUNTIMES_MAX 32u
#define PE_RUNTIME_NAME_MAX 64u

/* Limits by their names in Piston, in the order in which it checks them. */
enum pe_runtime_limit {
    PE_LIMIT_COMPILE_MEMORY, /* bytes; the two not above 0: no limit */
    PE_LIMIT_RUN_MEMORY,
    PE_LIMIT_COMPILE_TIMEOUT, /* ms of wall clock */
    PE_LIMIT_RUN_TIMEOUT,
    PE_LIMIT_COMPILE_CPU, /* ms */
    PE_LIMIT_RUN_CPU,
    PE_LIMIT_OUTPUT, /* bytes of stdout, and of stderr, of each stage */
    PE_RUNTIME_LIMITS
};
extern const char *const pe_runtime_limit_names[PE_RUNTIME_LIMITS];

struct pe_runtime_limits {
    int64_t value[PE_RUNTIME_LIMITS];
};

/* Set one limit by name. PE_ERR_INVALID: no such limit, or a value that it cannot have. */
int pe_runtime_limit_set(struct pe_runtime_limits *limits, const char *name, int64_t value,
                         struct pe_error *err) PE_MUST_CHECK;

/* Check the field `piston`: PE_ERR_MALFORMED says what is wrong. */
int pe_runtimes_check(const char *field, const json_t *value, struct pe_error *err) PE_MUST_CHECK;

#endif
