/* SPDX-License-Identifier: Apache-2.0 */
/* Piston's API (docs/piston.md): all requests below /api/v2/. */
#ifndef PE_LB_PISTON_PISTON_H
#define PE_LB_PISTON_PISTON_H

#include "base/options.h"
#include "lb/api/dialect.h"
#include "lb/api/exchange.h"
#include "lb/edge/h2o.h"
#include "lb/piston/connect.h"
#include "lb/piston/runtime_list.h"
#include "proto/runtimes.h"

struct piston {
    struct dialect dialect;
    struct exchanges *exchanges;
    const struct pe_option_list *cors_origins;
    const struct pe_runtime_limits *limits; /* of the service */
    struct piston_connects connects;
    struct piston_runtime_list list;
};

/* The pointers must outlive `piston`, which must stay where it is and outlive all exchanges. */
void piston_init(struct piston *piston, struct exchanges *exchanges, struct live_sessions *sessions,
                 const struct pe_option_list *cors_origins, const struct pe_runtime_limits *limits);

/* Handle a request of any method. */
void piston_handle(struct piston *piston, h2o_req_t *req);

#endif
