/* SPDX-License-Identifier: Apache-2.0 */
/* The types of problems that the balancer reports (RFC 9457): those that errors are mapped to
 * (proto/problem.h), and those that only exist in HTTP. The name of a type is stable. GET
 * /problems/NAME explains it. */
#ifndef PE_LB_EDGE_PROBLEMS_H
#define PE_LB_EDGE_PROBLEMS_H

#include "proto/problem.h"

/* A problem of a known type, with the detail of this occurrence. An unknown type is reported as
 * "internal".
 * */
struct pe_problem problem_make(const char *type, const char *detail, ...)
    __attribute__((format(printf, 2, 3)));

/* The problem for a bare HTTP status, which libh2o sends before a handler is called. */
struct pe_problem problem_from_status(int status);

/* What a type means and what to do about it; NULL for an unknown type. */
const char *problem_explanation(const char *type);

/* The reason phrase of a status (RFC 9110 section 15). */
const char *problem_reason_phrase(int status);

#endif
