/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of jobs, of which no two are equal. Who may ask for the state of a request by its id is decided in
 * lb/api/job_status.c. */
#include "lb/core/job_ids.h"

#include "base/random_text.h"

#include <search.h>
#include <stdio.h>
#include <string.h>

static int compare_ids(const void *left, const void *right)
{
    return strcmp(left, right);
}

void job_id_choose(void **ids, const char *wanted, char id[JOB_ID_SIZE])
{
    snprintf(id, JOB_ID_SIZE, "%s", wanted);
    if (tfind(id, ids, compare_ids))
        pe_pooled_random_hex(id, (JOB_ID_SIZE - 1) / 2);
    /* Without memory it is not remembered, and a later job may get the same. */
    (void)tsearch(id, ids, compare_ids);
}

void job_id_release(void **ids, const char *id)
{
    (void)tdelete(id, ids, compare_ids);
}
