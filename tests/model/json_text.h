/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in what the balancer tells. */
#ifndef PE_TESTS_MODEL_JSON_TEXT_H
#define PE_TESTS_MODEL_JSON_TEXT_H

#include <jansson.h>

/* The text of a member; empty if there is no such member, if it is no text, or if `object` is no object. It
 * is valid as long as the object stays as it is. */
const char *text_of(const json_t *object, const char *name);

#endif
