/* The balancer's table of problem types: what proto/problem.h makes of errors, and those only an HTTP edge
 * has. A type's name is stable; GET /problems/NAME explains it. */
#ifndef PE_LB_EDGE_PROBLEMS_H
#define PE_LB_EDGE_PROBLEMS_H

#include "proto/problem.h"

/* A problem of a type in the table, with a detail for this one occurrence. */
struct pe_problem problem_make(const char *type, const char *detail, ...)
    __attribute__((format(printf, 2, 3)));

/* The problem that stands for a bare HTTP status: what libh2o refuses by itself, before a handler runs. */
struct pe_problem problem_from_status(int status);

/* What a type means and what to do about it; NULL for a type that is not in the table. */
const char *problem_explanation(const char *type);

/* The reason phrase of a status line. */
const char *problem_reason_phrase(int status);

#endif
