/* SPDX-License-Identifier: Apache-2.0 */
/* The result of the tool `run`: a text for the model, the same as a structure, and output files. Long
 * streams are shortened in the middle, since a model's context is small, and errors stand at the end. */
#include "lb/mcp/run_tool.h"

#include "base/cleanup.h"
#include "codec/json_text.h"
#include "codec/json_writer.h"
#include "codec/utf8_text.h"

#include <stdio.h>
#include <string.h>

enum {
    KEPT_END = RUN_TOOL_STREAM_MAX / 4, /* bytes of a long stream that are kept of its end */
    NAMED_MAX = 8,                      /* files that the text names as missing */
};

/* What a model is told of a result. */
struct view {
    const struct job_result *result;
    struct pe_buf out, error; /* the streams as UTF-8, perhaps shortened */
    bool out_cut, error_cut;
};

static void free_view(struct view *view)
{
    pe_buf_free(&view->out);
    pe_buf_free(&view->error);
}

/* ---- the streams ---- */

static int append_stream(struct pe_buf *text, const uint8_t *bytes, size_t size, bool *cut,
                         struct pe_error *err)
{
    *cut = size > RUN_TOOL_STREAM_MAX;
    if (!*cut)
        return pe_utf8_append_repaired(text, bytes, size, err);
    size_t begin = RUN_TOOL_STREAM_MAX - KEPT_END;
    if (pe_utf8_append_repaired(text, bytes, begin, err) < 0 ||
        pe_buf_printf(text, err, "\n[%zu bytes are left out here]\n", size - RUN_TOOL_STREAM_MAX) < 0)
        return -1;
    return pe_utf8_append_repaired(text, bytes + size - KEPT_END, KEPT_END, err);
}

static int read_streams(struct view *view, struct pe_error *err)
{
    const struct pe_parts *parts = &view->result->parts;
    const uint8_t *at = view->result->bytes.data;
    for (size_t i = 0; i < parts->count; at += parts->items[i].size, i++) {
        size_t size = (size_t)parts->items[i].size;
        int failed = 0;
        if (parts->items[i].kind == PE_PART_STDOUT)
            failed = append_stream(&view->out, at, size, &view->out_cut, err);
        else if (parts->items[i].kind == PE_PART_STDERR)
            failed = append_stream(&view->error, at, size, &view->error_cut, err);
        if (failed)
            return -1;
    }
    view->out_cut |= view->result->fields.stdout_truncated;
    view->error_cut |= view->result->fields.stderr_truncated;
    return 0;
}

/* ---- the text ---- */

static int append_ending(const struct pe_result *fields, struct pe_buf *text, struct pe_error *err)
{
    unsigned long long ms = (unsigned long long)(fields->wall_us / 1000);
    switch (fields->status) {
    case PE_STATUS_EXITED:
        return pe_buf_printf(text, err, "Exit code %d after %llu ms.", fields->exit_code, ms);
    case PE_STATUS_SIGNALED:
        return pe_buf_printf(text, err, "Killed by signal %d after %llu ms.", fields->signal, ms);
    case PE_STATUS_TIMEOUT:
        return pe_buf_printf(
            text, err, "Killed after %llu ms: the time limit. Raise timeout_ms (at most 60000), or do less.",
            ms);
    case PE_STATUS_OOM:
        return pe_buf_printf(text, err, "Killed after %llu ms: it used more memory than a job may have.", ms);
    case PE_STATUS_OUTPUT_LIMIT:
        return pe_buf_printf(
            text, err,
            "Exit code %d after %llu ms. Not all files of /output fit: write fewer or smaller ones.",
            fields->exit_code, ms);
    case PE_STATUS_STREAM_LIMIT:
        return pe_buf_append_text(text, "Killed: it printed more than a job may print.", err);
    case PE_STATUS_VM_ERROR:
        break;
    }
    return pe_buf_printf(text, err, "The VM failed: %s. It is safe to try again.", fields->reason);
}

static int append_stream_text(const char *name, const struct pe_buf *stream, struct pe_buf *text,
                              struct pe_error *err)
{
    if (!stream->size)
        return 0;
    return pe_buf_printf(text, err, "\n\n%s:\n", name) < 0
               ? -1
               : pe_buf_append(text, stream->data, stream->size, err);
}

static int append_text(const struct view *view, struct pe_buf *text, struct pe_error *err)
{
    if (append_ending(&view->result->fields, text, err) < 0 ||
        append_stream_text("stdout", &view->out, text, err) < 0 ||
        append_stream_text("stderr", &view->error, text, err) < 0)
        return -1;
    bool silent = !view->out.size && !view->error.size;
    return silent ? pe_buf_append_text(text, " It printed nothing.", err) : 0;
}

/* ---- files ---- */

/* The media type of a picture that models can see; NULL for other bytes. */
static const char *picture_type(const uint8_t *bytes, size_t size)
{
    static const struct {
        const char *magic, *type;
        size_t size;
    } kinds[] = {{"\x89PNG\r\n\x1a\n", "image/png", 8},
                 {"\xff\xd8\xff", "image/jpeg", 3},
                 {"GIF87a", "image/gif", 6},
                 {"GIF89a", "image/gif", 6}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size > kinds[i].size && !memcmp(bytes, kinds[i].magic, kinds[i].size))
            return kinds[i].type;
    return size > 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4) ? "image/webp" : NULL;
}

static void append_base64(struct pe_json_writer *writer, const char *name, const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf coded = {0};
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct pe_error *err = writer->err;
    if (pe_buf_append_text(&coded, "\"", err) < 0 ||
        pe_json_append_base64(&coded, &rest, SIZE_MAX, err) < 0 || pe_buf_append_text(&coded, "\"", err) < 0)
        writer->failed = true;
    else
        pe_json_append_raw(writer, name, coded.data, coded.size);
}

static void append_picture(struct pe_json_writer *writer, const char *type, const uint8_t *bytes, size_t size)
{
    pe_json_open(writer, NULL, '{');
    pe_json_append_text(writer, "type", "image");
    pe_json_append_text(writer, "mimeType", type);
    append_base64(writer, "data", bytes, size);
    pe_json_close(writer, '}');
}

#define URI_BEGIN "output:///"

enum { URI_SIZE = sizeof URI_BEGIN + 3 * PE_PATH_MAX };

/* The URI of a file, from which its exact name can be read: RFC 3986 sections 2.1 and 2.3. */
static void write_uri(const struct pe_path *path, char uri[URI_SIZE])
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char *at = stpcpy(uri, URI_BEGIN);
    for (size_t i = 0; i < path->length; i++)
        if (strchr(kept, path->text[i]))
            *at++ = path->text[i];
        else
            at += snprintf(at, 4, "%%%02X", (unsigned char)path->text[i]);
    *at = '\0';
}

static void append_resource(struct pe_json_writer *writer, const struct pe_path *path, const uint8_t *bytes,
                            size_t size)
{
    char uri[URI_SIZE];
    bool is_text = pe_utf8_valid(bytes, size);
    write_uri(path, uri);
    pe_json_open(writer, NULL, '{');
    pe_json_append_text(writer, "type", "resource");
    pe_json_open(writer, "resource", '{');
    pe_json_append_text(writer, "uri", uri);
    pe_json_append_text(writer, "mimeType", is_text ? "text/plain" : "application/octet-stream");
    if (is_text)
        pe_json_append_bytes(writer, "text", bytes, size);
    else
        append_base64(writer, "blob", bytes, size);
    pe_json_close(writer, '}');
    pe_json_close(writer, '}');
}

/* Walk over the files of a result. The contents of the first ones are included, as far as they fit. */
struct walk {
    const struct job_result *result;
    size_t part, offset; /* of the next part */
    size_t left;         /* bytes of contents that may still be included */
    const uint8_t *bytes;
    size_t size;
    bool included;
};

static const struct pe_part *next_file(struct walk *walk)
{
    const struct pe_parts *parts = &walk->result->parts;
    while (walk->part < parts->count) {
        const struct pe_part *part = &parts->items[walk->part++];
        walk->bytes = walk->result->bytes.data + walk->offset;
        walk->size = (size_t)part->size;
        walk->offset += walk->size;
        if (part->kind != PE_PART_FILE)
            continue;
        walk->included = walk->size <= walk->left;
        walk->left -= walk->included ? walk->size : 0;
        return part;
    }
    return NULL;
}

static struct walk walk_files(const struct job_result *result)
{
    return (struct walk){.result = result, .left = RUN_TOOL_FILES_MAX};
}

static void append_contents(struct pe_json_writer *writer, const struct job_result *result)
{
    struct walk walk = walk_files(result);
    for (const struct pe_part *part = next_file(&walk); part && !writer->failed; part = next_file(&walk)) {
        if (!walk.included)
            continue;
        const char *type = picture_type(walk.bytes, walk.size);
        if (type)
            append_picture(writer, type, walk.bytes, walk.size);
        else
            append_resource(writer, &part->path, walk.bytes, walk.size);
    }
}

/* ---- what is missing ---- */

/* A model that looks only at the text must not take a part for everything. */
static int append_cut(const char *stream, bool is_cut, struct pe_buf *text, struct pe_error *err)
{
    return is_cut ? pe_buf_printf(text, err, "\n\nThe end of %s is missing: it printed more than is kept.",
                                  stream)
                  : 0;
}

/* Append one more name to a list that begins with `title`, unless it has all names that it may have. */
static int append_name(const char *title, size_t *count, const char *name, size_t length, struct pe_buf *text,
                       struct pe_error *err)
{
    pe_autobuf struct pe_buf readable = {0};
    size_t before = (*count)++;
    if (before > NAMED_MAX)
        return 0;
    if (before == NAMED_MAX)
        return pe_buf_append_text(text, ", …", err);
    if (pe_utf8_append_repaired(&readable, name, length, err) < 0 ||
        pe_buf_append_text(text, before ? ", " : title, err) < 0)
        return -1;
    return pe_buf_append(text, readable.data, readable.size, err);
}

static int append_large_files(const struct job_result *result, struct pe_buf *text, struct pe_error *err)
{
    size_t count = 0;
    struct walk walk = walk_files(result);
    for (const struct pe_part *part = next_file(&walk); part; part = next_file(&walk))
        if (!walk.included && append_name("\n\nFiles of /output that are too large to be shown here: ",
                                          &count, part->path.text, part->path.length, text, err) < 0)
            return -1;
    return 0;
}

static int append_dropped(const struct pe_result *fields, struct pe_buf *text, struct pe_error *err)
{
    const char *type = NULL, *name = NULL;
    size_t count = 0, at = 0;
    if (!fields->outputs_dropped) /* a worker that names some all the same lies */
        return 0;
    if (pe_buf_printf(text, err, "\n\nNot kept of /output, because it is no file or did not fit: %llu.",
                      (unsigned long long)fields->outputs_dropped) < 0)
        return -1;
    while (pe_dropped_next(&fields->dropped, &at, &type, &name))
        if (append_name(" Among them: ", &count, name, strlen(name), text, err) < 0)
            return -1;
    return 0;
}

static int append_missing(const struct job_result *result, struct pe_buf *text, struct pe_error *err)
{
    const struct pe_result *fields = &result->fields;
    if (append_cut("stdout", fields->stdout_truncated, text, err) < 0 ||
        append_cut("stderr", fields->stderr_truncated, text, err) < 0 ||
        append_large_files(result, text, err) < 0)
        return -1;
    return append_dropped(fields, text, err);
}

/* ---- the structure ---- */

static void append_file_list(struct pe_json_writer *writer, const struct job_result *result)
{
    struct walk walk = walk_files(result);
    pe_json_open(writer, "files", '[');
    for (const struct pe_part *part = next_file(&walk); part; part = next_file(&walk)) {
        pe_json_open(writer, NULL, '{');
        pe_json_append_bytes(writer, "name", part->path.text, part->path.length);
        pe_json_append_number(writer, "size", walk.size);
        pe_json_append_bool(writer, "included", walk.included);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, ']');
}

static void append_structure(struct pe_json_writer *writer, const struct view *view)
{
    const struct pe_result *fields = &view->result->fields;
    pe_json_open(writer, "structuredContent", '{');
    pe_json_append_text(writer, "status", pe_status_name(fields->status));
    if (fields->exit_code >= 0)
        pe_json_append_number(writer, "exit_code", (uint64_t)fields->exit_code);
    if (fields->signal > 0)
        pe_json_append_number(writer, "signal", (uint64_t)fields->signal);
    pe_json_append_number(writer, "wall_ms", fields->wall_us / 1000);
    pe_json_append_bytes(writer, "stdout", view->out.data, view->out.size);
    pe_json_append_bytes(writer, "stderr", view->error.data, view->error.size);
    pe_json_append_bool(writer, "stdout_truncated", view->out_cut);
    pe_json_append_bool(writer, "stderr_truncated", view->error_cut);
    append_file_list(writer, view->result);
    pe_json_append_number(writer, "outputs_dropped", fields->outputs_dropped);
    pe_json_close(writer, '}');
}

int run_tool_append_result(const struct job_result *result, struct pe_buf *out, struct pe_error *err)
{
    __attribute__((cleanup(free_view))) struct view view = {.result = result};
    pe_autobuf struct pe_buf text = {0};
    if (read_streams(&view, err) < 0 || append_text(&view, &text, err) < 0 ||
        append_missing(result, &text, err) < 0)
        return -1;
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "resultType", "complete");
    pe_json_open(&writer, "content", '[');
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", "text");
    pe_json_append_bytes(&writer, "text", text.data, text.size);
    pe_json_close(&writer, '}');
    append_contents(&writer, result);
    pe_json_close(&writer, ']');
    append_structure(&writer, &view);
    pe_json_append_bool(&writer, "isError", result->fields.status == PE_STATUS_VM_ERROR);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

/* ---- problems ---- */

/* What a model can do about a problem; the detail says what happened. */
static const char *advice(const struct pe_problem *problem)
{
    static const struct {
        const char *type, *text;
    } advices[] = {
        {"unknown-image", "Call list_images for the names of all images."},
        {"invalid-job", "Correct the arguments and call the tool again."},
        {"malformed-request", "Correct the arguments and call the tool again."},
        {"too-large", "Send fewer or smaller files."},
        {"too-many-requests", "Wait, then call the tool again with the same arguments."},
        {"no-capacity", "Wait, then call the tool again with the same arguments."},
        {"no-worker", "The service has no workers now. Tell the user; calling again at once will not help."},
        {"job-lost", "It is safe to call the tool again. If that fails, too, the program may need too much."},
    };
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
        if (!strcmp(advices[i].type, problem->type))
            return advices[i].text;
    return "Tell the user; this is not a fault of the arguments.";
}

json_t *run_tool_problem(const struct pe_problem *problem)
{
    char text[sizeof problem->detail + 300];
    size_t length = strlen(problem->detail);
    const char *end = length && problem->detail[length - 1] == '?' ? "" : ".";
    int size =
        snprintf(text, sizeof text, "%s: %s%s %s", problem->title, problem->detail, end, advice(problem));
    if (problem->retry_after_s && size > 0 && (size_t)size < sizeof text)
        snprintf(text + size, sizeof text - (size_t)size, " Wait %u s.", problem->retry_after_s);
    struct pe_error ignored;
    pe_autobuf struct pe_buf readable = {0};
    if (pe_utf8_append_repaired(&readable, text, strlen(text), &ignored) < 0)
        return NULL;
    return json_pack("{s:s, s:[{s:s, s:s%}], s:b}", "resultType", "complete", "content", "type", "text",
                     "text", (const char *)readable.data, readable.size, "isError", 1);
}
