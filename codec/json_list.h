/* SPDX-License-Identifier: Apache-2.0 */
/* Making a JSON list that is complete, or is not made. */
#ifndef PE_CODEC_JSON_LIST_H
#define PE_CODEC_JSON_LIST_H

#include <jansson.h>

/* Append a new value to *list, which takes it over. Without memory for that, or if `value` is NULL because
 * there was none for it, the list is freed and *list is NULL. It stays NULL then, so that only the complete
 * list has to be checked: an incomplete one would be taken for the whole. */
void pe_json_list_add(json_t **list, json_t *value);

#endif
