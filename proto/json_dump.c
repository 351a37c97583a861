/* SPDX-License-Identifier: Apache-2.0 */
/* json_dumpb writes into memory that is there already. */
#include "proto/json_dump.h"

#include "base/cleanup.h"

#include <stdlib.h>

char *pe_json_dump(const json_t *json, size_t flags)
{
    const size_t size = json ? json_dumpb(json, NULL, 0, flags) : 0;
    pe_autofree char *text = size ? malloc(size + 1) : NULL;
    if (!text || json_dumpb(json, text, size, flags) != size)
        return NULL;
    text[size] = '\0';
    return pe_steal_ptr(&text);
}
