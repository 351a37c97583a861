/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in C text without a backslash at every quote. */
#ifndef PE_TESTS_QUOTED_H
#define PE_TESTS_QUOTED_H

#include "tests/unit/check.h"

#include <jansson.h>
#include <stdlib.h>

/* With ' for ". */
static inline json_t *parse_quoted(const char *text)
{
    char *quoted = strdup(text);
    for (char *at = quoted; (at = strchr(at, '\'')); at++)
        *at = '"';
    json_t *json = json_loads(quoted, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    free(quoted);
    return json;
}

#endif
