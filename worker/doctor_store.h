/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the image store for `pe-worker doctor`. */
#ifndef PE_WORKER_DOCTOR_STORE_H
#define PE_WORKER_DOCTOR_STORE_H

#include "doctor/report.h"
#include "worker/config.h"

/* Add the checks store.images, store.links (one for each link that slots cannot follow), store.warm (one for
 * each image of --warm that is missing) and store.digests (one for each image that is damaged). Reads all
 * files of the store. Without an image that can be used, the report says that no job can run. */
void doctor_say_store(struct doctor_report *report, const struct worker_config *config);

#endif
