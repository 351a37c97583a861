/* SPDX-License-Identifier: Apache-2.0 */
/* What is compared is always a text, so that a member that is missing is a difference like any other. */
#include "tests/model/json_text.h"

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}
