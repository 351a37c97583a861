/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list, list_images and describe_image. The tool `run` is in run_tool.c. */
#include "lb/mcp/catalog_tools.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <string.h>

__asm__(".section .rodata\n"
        "mcp_tools_text:\n"
        ".incbin \"lb/mcp/tools.json\"\n"
        ".byte 0\n"
        ".previous\n");

extern const char mcp_tools_text[]; /* NUL-terminated */

/* A list has no more, because more does not fit into a model's context. It is made at once, and what workers
 * say of their images is as long as they like. */
enum {
    LISTED_MAX = 1000,             /* images */
    LISTED_BYTES_MAX = 256 * 1024, /* of the text */
    ENTRY_WORK = 32,               /* of looking at an image of a worker, in steps of a few nanoseconds */
    WORK_MAX = 4 * 1024 * 1024,    /* the same of everything */
    DESCRIPTION_MAX = 400,         /* bytes of one line */
};

json_t *mcp_tool_definitions(void)
{
    return json_loads(mcp_tools_text, 0, NULL);
}

static json_t *text_result(const char *text, size_t size, bool is_error)
{
    return json_pack("{s:s, s:[{s:s, s:s%}], s:b}", "resultType", "complete", "content", "type", "text",
                     "text", text, size, "isError", (int)is_error);
}

static json_t *fault(const char *text)
{
    return text_result(text, strlen(text), true);
}

/* ---- list_images ---- */

struct list {
    const char *file; /* only images that can run it; NULL: all */
    json_t *seen;     /* the names that are in the list; owned */
    size_t work;      /* what was done: the same image of many workers, and patterns that do not match, take
                         time as well */
    struct pe_buf text;
};

static void free_list(struct list *list)
{
    json_decref(list->seen);
    pe_buf_free(&list->text);
}

static bool is_full(const struct list *list)
{
    return json_object_size(list->seen) >= LISTED_MAX || list->text.size >= LISTED_BYTES_MAX ||
           list->work >= WORK_MAX;
}

/* One line for an image. */
static int list_image(struct list *list, const struct catalog_entry *entry, struct pe_error *err)
{
    const char *about = json_string_value(json_object_get(entry->json, "description"));
    size_t size = about ? strnlen(about, DESCRIPTION_MAX) : 0;
    bool is_long = about && about[size];
    if (is_long)
        size -= pe_utf8_unfinished_size((const uint8_t *)about, size);
    if (json_object_set_new(list->seen, entry->name, json_true()) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for a list of images");
    return pe_buf_printf(&list->text, err, "%s%s%.*s%s\n", entry->name, size ? ": " : "", (int)size,
                         size ? about : "", is_long ? "…" : "");
}

/* Whether an image belongs into the list and is not there yet. */
static bool is_wanted(struct list *list, const struct catalog_entry *entry)
{
    list->work += ENTRY_WORK;
    if (json_object_get(list->seen, entry->name))
        return false;
    if (!list->file)
        return true;
    list->work += pe_metadata_match_work(entry->json, list->file);
    return pe_metadata_accepts_file(entry->json, list->file);
}

static int list_worker(struct list *list, const struct worker *worker, struct pe_error *err)
{
    const struct catalog *catalog = &worker->claim->catalog;
    for (size_t i = 0; i < catalog->count && !is_full(list); i++)
        if (is_wanted(list, &catalog->entries[i]) && list_image(list, &catalog->entries[i], err) < 0)
            return -1;
    return 0;
}

/* A longer name is that of no file, and takes long to match. */
static json_t *file_fault(const json_t *file)
{
    if (file && !json_is_string(file))
        return fault("The argument file must be a string, such as main.c.");
    return file && json_string_length(file) > PE_PATH_MAX
               ? fault("The argument file is too long: it is the name of a file, such as main.c.")
               : NULL;
}

static json_t *list_result(struct list *list)
{
    struct pe_error ignored; /* without memory, the list does not say that it is cut */
    if (is_full(list))
        (void)!pe_buf_append_text(&list->text, "There may be more images, which are not listed here.\n",
                                  &ignored);
    if (list->text.size)
        return text_result((const char *)list->text.data, list->text.size, false);
    return fault(list->file
                     ? "No image runs such a file by itself. Leave file out to see all images, and use cmd."
                     : "No worker is connected, so there are no images now.");
}

json_t *mcp_list_images(const struct scheduler *scheduler, const json_t *arguments)
{
    struct pe_error err;
    const json_t *file = json_object_get(arguments, "file");
    json_t *wrong = file_fault(file);
    if (wrong)
        return wrong;
    __attribute__((cleanup(free_list))) struct list list = {.file = json_string_value(file),
                                                            .seen = json_object()};
    pe_list_for_each(node, &scheduler->workers)
    {
        if (!list.seen || list_worker(&list, pe_list_entry(node, struct worker, in_workers), &err) < 0)
            return NULL;
    }
    return list_result(&list);
}

/* ---- describe_image ---- */

json_t *mcp_describe_image(const struct scheduler *scheduler, const json_t *arguments)
{
    const char *name = json_string_value(json_object_get(arguments, "image"));
    if (!name)
        return fault("The argument image is missing. Call list_images for the names of all images.");
    const struct catalog_entry *entry = scheduler_find_image(scheduler, name, (struct pe_isolation_set){0});
    if (!entry)
        return fault("There is no such image. Call list_images for the names of all images.");
    pe_autofree char *text = json_dumps(entry->json, JSON_INDENT(1));
    return text ? text_result(text, strlen(text), false) : NULL;
}
