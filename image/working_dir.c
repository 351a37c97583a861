/* SPDX-License-Identifier: Apache-2.0 */
/* Deciding where an image's own command runs. The guest enters the directory (guest-init/shim.c). */
#include "image/working_dir.h"

#include "proto/limits.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Directories that the guest mounts something else on, so that the image's files there are hidden. */
static bool is_hidden(const char *path)
{
    static const char *const mounts[] = {"/work", "/input", "/output", "/proc", "/sys", "/dev"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        size_t size = strlen(mounts[i]);
        if (!strncmp(path, mounts[i], size) && (path[size] == '/' || path[size] == '\0'))
            return true;
    }
    return false;
}

void working_dir_read(const json_t *fields, struct working_dir *directory)
{
    const char *path = json_string_value(json_object_get(fields, "working_dir"));
    const char *program = json_string_value(json_array_get(json_object_get(fields, "default_cmd"), 0));
    int n = snprintf(directory->path, sizeof directory->path, "%s%s", path && *path == '/' ? "" : "/",
                     path ? path : "");
    directory->program[0] = '\0';
    if (n < 0 || (size_t)n > PE_PATH_MAX || strchr(directory->path, '\n'))
        snprintf(directory->path, sizeof directory->path, "/");
    if (!program || program[0] == '/' || !strchr(program, '/'))
        return;
    program += !strncmp(program, "./", 2) ? 2 : 0;
    snprintf(directory->program, sizeof directory->program, "%.1024s/%.2048s",
             directory->path[1] ? directory->path : "", program);
}

int working_dir_apply(const struct working_dir *directory, enum flatten_found path,
                      enum flatten_found program, json_t *fields, struct pe_error *err)
{
    bool used = directory->path[1] && path == FLATTEN_FULL_DIRECTORY && !is_hidden(directory->path);
    int failed = 0;
    if (used) {
        failed = json_object_set_new(fields, "working_dir", json_string(directory->path));
    } else {
        json_object_del(fields, "working_dir");
        if (*directory->program && program == FLATTEN_FILE)
            failed = json_array_set_new(json_object_get(fields, "default_cmd"), 0,
                                        json_string(directory->program));
    }
    return failed ? pe_fail(err, PE_ERR_INTERNAL, "out of memory for the working directory") : 0;
}
