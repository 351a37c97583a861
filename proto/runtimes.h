/* SPDX-License-Identifier: Apache-2.0 */
/* What an image offers to clients of Piston: the metadata field `piston`, an array of runtimes.
 *
 *   language         "c"; required
 *   version          a semantic version; required
 *   aliases          other names of the language
 *   runtime          the program behind the language, if its name differs: "gcc"
 *   compile          arguments of the compile stage, if there is one. "{files}" stands for the
 *                    names of the text files that the client sent.
 *   run              arguments of the run stage; required. "{main}" is the first text file, and
 *                    "{args}" the arguments of the request.
 *   limit_overrides  limits of this runtime (PE_RUNTIME_LIMITS) that differ from the service's
 */
#ifndef PE_PROTO_RUNTIMES_H
#define PE_PROTO_RUNTIMES_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define PE_RUNTIMES_MAX 32u
#define PE_RUNTIME_NAME_MAX 64u

/* Limits, in the order in which Piston checks them. */
enum pe_runtime_limit {
    PE_LIMIT_COMPILE_MEMORY, /* bytes; a memory limit of 0 or below is none */
    PE_LIMIT_RUN_MEMORY,
    PE_LIMIT_COMPILE_TIMEOUT, /* ms of wall clock */
    PE_LIMIT_RUN_TIMEOUT,
    PE_LIMIT_COMPILE_CPU, /* ms */
    PE_LIMIT_RUN_CPU,
    PE_LIMIT_PROCESSES,  /* processes and threads of a stage; those from here on have no names in requests */
    PE_LIMIT_FILE_SIZE,  /* bytes of one file */
    PE_LIMIT_OPEN_FILES, /* file descriptors of one process */
    PE_LIMIT_OUTPUT,     /* bytes of stdout, and of stderr, of each stage */
    PE_RUNTIME_LIMITS
};
/* Their names in Piston. */
extern const char *const pe_runtime_limit_names[PE_RUNTIME_LIMITS];

struct pe_runtime_limits {
    int64_t value[PE_RUNTIME_LIMITS];
};

/* Write all names with their maxima, as in "run_timeout 300000, ...", for messages. Returns `text`. */
#define PE_RUNTIME_LIMITS_TEXT 400
const char *pe_runtime_limits_text(char text[PE_RUNTIME_LIMITS_TEXT]);

/* Set a limit by its name. PE_ERR_INVALID if there is no such limit, or if it cannot have the
 * value. */
int pe_runtime_limit_set(struct pe_runtime_limits *limits, const char *name, int64_t value,
                         struct pe_error *err) PE_MUST_CHECK;

/* Check the value of the metadata field, which is called `field` in messages. PE_ERR_MALFORMED says
 * what is wrong. */
int pe_runtimes_check(const char *field, const json_t *value, struct pe_error *err) PE_MUST_CHECK;

#endif
