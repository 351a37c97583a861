/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of the jobs that live at the same time. A client may choose the id of its request, and use it again
 * when that request has ended; but the job can live on, because others have joined it. */
#ifndef PE_LB_CORE_JOB_IDS_H
#define PE_LB_CORE_JOB_IDS_H

enum { JOB_ID_SIZE = 33 }; /* 32 hexadecimal digits and a NUL */

/* Write `wanted` to `id`, or a random id if another job has `wanted`, and remember it in `*ids`, a tree of
 * tsearch(3) that begins as NULL. `id` must stay where it is until job_id_release. */
void job_id_choose(void **ids, const char *wanted, char id[JOB_ID_SIZE]);

/* Forget an id that job_id_choose has written. */
void job_id_release(void **ids, const char *id);

#endif
