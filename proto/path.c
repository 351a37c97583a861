/* SPDX-License-Identifier: Apache-2.0 */
/* Checking relative paths. No other code decides which paths are allowed. */
#include "proto/path.h"

#include "base/control.h"
#include "codec/glob.h"

#include <stdio.h>
#include <string.h>

/* Every path and every glob for paths fits into the matcher. */
_Static_assert(PE_PATH_MAX <= PE_GLOB_MAX, "a glob may be as long as a path");

const char *pe_path_printable(const char *bytes, size_t length, char *text, size_t size)
{
    size_t n = length < size - 1 ? length : size - 1;
    memcpy(text, bytes, n);
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        memset(text + i, '?', pe_control_size(text + i, n - i));
    return text;
}

const char *pe_path_as_argument(const char *path, char text[PE_PATH_ARGUMENT_SIZE])
{
    if (!*path || !strchr("-+@", *path))
        return path;
    snprintf(text, PE_PATH_ARGUMENT_SIZE, "./%s", path);
    return text;
}

/* Returns what is wrong with a component, or NULL. */
static const char *component_fault(const char *name, size_t length)
{
    if (length == 0)
        return "has an empty component";
    if (length == 1 && name[0] == '.')
        return "has a '.' component";
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return "has a '..' component";
    if (length > PE_PATH_COMPONENT_MAX)
        return "has a component of over 255 bytes";
    return NULL;
}

static const char *path_fault(const char *bytes, size_t length, int from_client)
{
    if (length == 0)
        return "is empty";
    if (length > PE_PATH_MAX)
        return "is longer than 1024 bytes";
    if (memchr(bytes, '\0', length))
        return "has a NUL byte";
    if (bytes[0] == '/')
        return "is absolute";
    for (size_t i = 0; from_client && i < length; i++)
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f)
            return "has a control character";
    size_t depth = 0;
    for (size_t start = 0; start <= length;) {
        const char *slash = start < length ? memchr(bytes + start, '/', length - start) : NULL;
        size_t end = slash ? (size_t)(slash - bytes) : length;
        const char *fault = component_fault(bytes + start, end - start);
        if (fault)
            return fault;
        if (++depth > PE_PATH_DEPTH_MAX)
            return "is nested over 32 levels deep";
        start = end + 1;
    }
    return NULL;
}

int pe_path_parse(const char *bytes, size_t length, int from_client, struct pe_path *path,
                  struct pe_error *err)
{
    const char *fault = path_fault(bytes, length, from_client);
    if (fault) {
        char shown[96];
        return pe_fail(err, PE_ERR_INVALID, "file name '%s' %s",
                       pe_path_printable(bytes, length, shown, sizeof shown), fault);
    }
    memcpy(path->text, bytes, length);
    path->text[length] = '\0';
    path->length = length;
    return 0;
}
