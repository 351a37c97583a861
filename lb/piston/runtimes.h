/* SPDX-License-Identifier: Apache-2.0 */
/* What Piston calls runtimes, from the catalogs of the registered workers (proto/runtimes.h). */
#ifndef PE_LB_PISTON_RUNTIMES_H
#define PE_LB_PISTON_RUNTIMES_H

#include "codec/semver.h"
#include "lb/core/scheduler.h"
#include "proto/runtimes.h"

#include <jansson.h>
#include <stdbool.h>

/* Borrowed from the catalog of a worker: valid until the worker sends a new one. */
struct piston_runtime {
    const char *image; /* "name:tag" */
    const char *language;
    const json_t *json; /* checked by pe_runtimes_check */
    struct pe_semver version;
};

/* Find the runtime of a language, by its name or an alias, with the highest version that
 * `selector` allows. Returns false if there is none. */
bool piston_find_runtime(const struct scheduler *scheduler, const char *language, const char *selector,
                         struct piston_runtime *found);

/* The limits of the service, with the overrides of the runtime. */
struct pe_runtime_limits piston_limits_of(const struct piston_runtime *runtime,
                                          const struct pe_runtime_limits *service);

/* A text member of the runtime's description; empty if it has none. */
const char *piston_runtime_text(const struct piston_runtime *runtime, const char *key);

/* What is called for each runtime, with the context of the caller. */
typedef void piston_runtime_visitor(const struct piston_runtime *runtime, void *context);

/* Call `visit` for each runtime of the language (NULL: any) of each worker. */
void piston_for_each_runtime(const struct scheduler *scheduler, const char *language,
                             piston_runtime_visitor *visit, void *context);

#endif
