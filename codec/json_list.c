/* SPDX-License-Identifier: Apache-2.0 */
/* jansson frees the value itself if it cannot append it. */
#include "codec/json_list.h"

void pe_json_list_add(json_t **list, json_t *value)
{
    if (json_array_append_new(*list, value) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}
