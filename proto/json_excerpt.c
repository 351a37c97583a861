/* SPDX-License-Identifier: Apache-2.0 */
/* Values for messages. They come from images and clients, so their size is not known. */
#include "proto/json_excerpt.h"

#include <stdlib.h>
#include <string.h>

const char *pe_json_excerpt(const json_t *value, char text[PE_JSON_EXCERPT_SIZE])
{
    const size_t room = PE_JSON_EXCERPT_SIZE - sizeof "...";
    char *dump = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    const char *whole = dump ? dump : "nothing";
    size_t size = strlen(whole);
    memcpy(text, whole, size < room ? size + 1 : room);
    if (size >= room)
        memcpy(text + room, "...", sizeof "...");
    free(dump);
    return text;
}
