/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of /proc and /sys. */
#include "doctor/host_file.h"

#include "base/io.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (4u << 20) /* /proc/cpuinfo of a host with many processors */

int host_file_read(const char *top, const char *path, struct pe_buf *text, struct pe_error *err)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", top, path);
    if (pe_read_file(AT_FDCWD, whole, TEXT_MAX, text, err) < 0 && err->kind != PE_ERR_NOT_FOUND)
        return -1;
    return pe_buf_append(text, "", 1, err);
}

bool host_file_exists(const char *top, const char *path)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", top, path);
    return access(whole, F_OK) == 0;
}

uint64_t host_file_number(const char *top, const char *path, uint64_t otherwise)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    if (host_file_read(top, path, &text, &ignored) < 0 || !isdigit(text.data[0]))
        return otherwise;
    return strtoull((const char *)text.data, NULL, 10);
}

uint64_t host_file_value(const char *top, const char *path, const char *key)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    char *rest = NULL;
    const size_t length = strlen(key);
    if (host_file_read(top, path, &text, &ignored) < 0)
        return 0;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strncmp(line, key, length))
            return strtoull(line + length, NULL, 10);
    return 0;
}
