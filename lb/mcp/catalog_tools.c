/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list, list_images and describe_image. The tool `run` is in run_tool.c. */
#include "lb/mcp/catalog_tools.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "proto/metadata.h"

#include <string.h>

__asm__(".section .rodata\n"
        "mcp_tools_text:\n"
        ".incbin \"lb/mcp/tools.json\"\n"
        ".byte 0\n"
        ".previous\n");

extern const char mcp_tools_text[]; /* NUL-terminated */

enum { LISTED_MAX = 1000 }; /* images in a list: more do not fit into a model's context */

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

/* One line for an image, unless it is in the list already. */
static int list_image(const struct catalog_entry *entry, json_t *seen, struct pe_buf *text,
                      struct pe_error *err)
{
    const char *about = json_string_value(json_object_get(entry->json, "description"));
    if (json_object_get(seen, entry->name) || json_object_size(seen) >= LISTED_MAX)
        return 0;
    if (json_object_set_new(seen, entry->name, json_true()) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "no memory for a list of images");
    return pe_buf_printf(text, err, "%s%s%s\n", entry->name, about && *about ? ": " : "", about ? about : "");
}

static int list_worker(const struct worker *worker, const char *file, json_t *seen, struct pe_buf *text,
                       struct pe_error *err)
{
    const struct catalog *catalog = &worker->claim->catalog;
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_entry *entry = &catalog->entries[i];
        if (file && !pe_metadata_accepts_file(entry->json, file))
            continue;
        if (list_image(entry, seen, text, err) < 0)
            return -1;
    }
    return 0;
}

json_t *mcp_list_images(const struct scheduler *scheduler, const json_t *arguments)
{
    struct pe_error err;
    const json_t *file = json_object_get(arguments, "file");
    pe_autobuf struct pe_buf text = {0};
    pe_autojson json_t *seen = json_object();
    if (file && !json_is_string(file))
        return fault("The argument file must be a string, such as main.c.");
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        if (!seen || list_worker(worker, json_string_value(file), seen, &text, &err) < 0)
            return NULL;
    }
    if (!text.size)
        return fault(
            file ? "No image runs such a file by itself. Leave file out to see all images, and use cmd."
                 : "No worker is connected, so there are no images now.");
    return text_result((const char *)text.data, text.size, false);
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
