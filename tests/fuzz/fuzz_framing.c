/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests, and how long their bodies are said to be. A head without a fault has no header that
 * is continued, at most one Transfer-Encoding, not both headers, and no different lengths. */
#include "base/cleanup.h"
#include "lb/edge/request_framing.h"
#include "tests/fuzz/fake_request.h"

struct found {
    size_t lengths, encodings;
    char *length; /* the first one; owned */
    bool differ, continued;
};

/* The value of a header with this name, or NULL. */
static char *value_of(char *line, const char *name)
{
    char *colon = strchr(line, ':');
    size_t size = strlen(name);
    if (!colon || (size_t)(colon - line) != size || strncasecmp(line, name, size) != 0)
        return NULL;
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length && strchr(" \t", value[length - 1]))
        value[--length] = '\0';
    return value;
}

static void note(struct found *found, char *line)
{
    found->continued |= *line == ' ' || *line == '\t';
    found->encodings += value_of(line, "transfer-encoding") != NULL;
    const char *length = value_of(line, "content-length");
    found->differ |= length && found->length && strcmp(length, found->length) != 0;
    if (length && !found->length)
        found->length = strdup(length);
    found->lengths += length != NULL;
}

static void look(struct found *found, struct pe_cursor rest)
{
    bool ended = false;
    free(fuzz_line(&rest)); /* the request line */
    while (!ended && rest.left && memchr(rest.at, '\n', rest.left)) {
        char *line = fuzz_line(&rest);
        size_t size = strlen(line);
        if (size && line[size - 1] == '\r')
            line[--size] = '\0';
        ended = size == 0;
        if (!ended)
            note(found, line);
        free(line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fake_request fake;
    struct found found = {0};
    if (size && memchr(bytes, '\0', size))
        return 0; /* libh2o refuses such a head */
    pe_autofree char *copy = fuzz_text(bytes, size);
    fake_begin(&fake);
    fake.input.bytes = copy;
    fake.input.size = size;
    const char *fault = request_framing_fault(&fake.req);
    look(&found, (struct pe_cursor){.at = bytes, .left = size});
    HOLDS((fault != NULL) ==
          (found.continued || found.differ || found.encodings > 1 || (found.lengths && found.encodings)));
    fake.req.version = 0x200;
    HOLDS(request_framing_fault(&fake.req) == NULL);
    free(found.length);
    fake_end(&fake);
    return 0;
}
