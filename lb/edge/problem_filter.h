/* SPDX-License-Identifier: Apache-2.0 */
/* Turns the plain-text errors that libh2o sends by itself into problems, and adds CORS headers. */
#ifndef PE_LB_EDGE_PROBLEM_FILTER_H
#define PE_LB_EDGE_PROBLEM_FILTER_H

#include "base/options.h"
#include "lb/edge/h2o.h"

/* Install the filter on a path. Responses get the headers that pages of the allowed `origins` need
 * (lb/edge/cors.h). `origins` must outlive the path. */
void problem_filter_register(h2o_pathconf_t *path, const struct pe_option_list *origins);

#endif
