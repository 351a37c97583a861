/* SPDX-License-Identifier: Apache-2.0 */
/* From a job and its files to one JSON text. */
#include "cli/run_message.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json_text.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <string.h>

static int no_memory(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* {"base64": "…"} */
static json_t *encode(const struct pe_buf *bytes, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_cursor cursor = {.at = bytes->data, .left = bytes->size};
    if (pe_json_append_base64(&text, &cursor, SIZE_MAX, err) < 0)
        return NULL;
    json_t *json = json_pack("{s: s%}", "base64", text.size ? (const char *)text.data : "", text.size);
    if (!json)
        no_memory(err);
    return json;
}

static int add_file(json_t *files, const struct input_file *file, struct pe_error *err)
{
    pe_autobuf struct pe_buf bytes = {0};
    if (pe_read_file(AT_FDCWD, file->path, PE_INPUT_BYTES_MAX, &bytes, err) < 0)
        return -1;
    json_t *content = encode(&bytes, err);
    if (!content)
        return -1;
    if (json_object_set_new(files, file->name, content) == 0)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "the name of %s is not UTF-8, so it cannot be sent to an interactive job", file->path);
}

static int add_files(json_t *job, const struct input_files *files, struct pe_error *err)
{
    json_t *json = json_object();
    if (!json || json_object_set_new(job, "files", json) < 0)
        return no_memory(err);
    for (size_t i = 0; i < files->count; i++)
        if (add_file(json, &files->items[i], err) < 0)
            return -1;
    return 0;
}

/* A terminal type that the program cannot be told is left out. */
static json_t *describe_terminal(const struct pe_window *window)
{
    const char *term = getenv("TERM");
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    bool is_known = term && *term && strlen(term) <= PE_TERM_NAME_MAX && !term[strspn(term, allowed)];
    return json_pack("{s:i, s:i, s:s*}", "rows", window->rows, "cols", window->cols, "term",
                     is_known ? term : NULL);
}

int run_message_write(const char *job, const struct input_files *files, const struct pe_window *window,
                      struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *described = json_loads(job, 0, NULL);
    if (!described)
        return no_memory(err);
    if (add_files(described, files, err) < 0)
        return -1;
    pe_autojson json_t *message = json_pack("{s:s, s:O}", "type", "run", "job", described);
    if (!message || (window && json_object_set_new(message, "tty", describe_terminal(window)) < 0))
        return no_memory(err);
    pe_autofree char *text = json_dumps(message, JSON_COMPACT);
    return text ? pe_buf_append_text(out, text, err) : no_memory(err);
}
