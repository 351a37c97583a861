/* What Piston's clients call runtimes, out of the catalogs of the connected hosts (proto/runtimes.h). */
#ifndef PE_LB_PISTON_RUNTIMES_H
#define PE_LB_PISTON_RUNTIMES_H

#include "codec/semver.h"
#include "lb/core/scheduler.h"
#include "proto/runtimes.h"

#include <jansson.h>
#include <stdbool.h>

/* Borrowed from a host's catalog: good until the host says something new. */
struct piston_runtime {
    const char *image; /* name:tag */
    const char *language;
    const json_t *json; /* checked by pe_runtimes_check */
    struct pe_semver version;
};

/* The runtime with the highest version that the selector takes, of the language by its name or an alias. */
bool piston_find_runtime(const struct scheduler *scheduler, const char *language, const char *selector,
                         struct piston_runtime *found);

/* The service's limits with what the runtime overrides. */
struct pe_runtime_limits piston_limits_of(const struct piston_runtime *runtime,
                                          const struct pe_runtime_limits *service);

/* The answers to GET /runtimes and GET /packages, for the caller; NULL without memory. */
json_t *piston_list_runtimes(const struct scheduler *scheduler);
json_t *piston_list_packages(const struct scheduler *scheduler);

#endif
