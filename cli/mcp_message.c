/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: "Streamable HTTP" and "stdio" of the Model Context Protocol, revision 2026-07-28. */
#include "cli/mcp_message.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "codec/json_reader.h"
#include "codec/json_text.h"
#include "proto/job_spec.h"

#include <string.h>

int mcp_line_read(const void *bytes, size_t size, struct mcp_line *line, struct pe_error *err)
{
    json_error_t where = {.text = "out of memory"};
    const struct pe_cursor text = pe_json_behind_mark(bytes, size);
    *line = (struct mcp_line){
        .json = json_loadb((const char *)text.at, text.left, JSON_ALLOW_NUL | JSON_DECODE_ANY, &where)};
    if (!line->json)
        return pe_fail(err, PE_ERR_MALFORMED, "a line is not JSON: column %d: %s", where.column, where.text);
    if (!json_is_object(line->json))
        return pe_fail(err, PE_ERR_INVALID, "a line is not a message, which is an object");
    const char *method = json_string_value(json_object_get(line->json, "method"));
    line->id = json_object_get(line->json, "id");
    if (method && !strcmp(method, "notifications/cancelled"))
        line->canceled = json_object_get(json_object_get(line->json, "params"), "requestId");
    return 0;
}

void mcp_line_free(struct mcp_line *line)
{
    json_decref(line->json);
    *line = (struct mcp_line){0};
}

/* Only these characters may stand in a header as they are. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static int add_name(struct transfer *transfer, const char *name, struct pe_error *err)
{
    pe_autobuf struct pe_buf coded = {0};
    struct pe_cursor rest = {.at = (const uint8_t *)name, .left = strlen(name)};
    if (is_plain(name))
        return transfer_header(transfer, "Mcp-Name", name, err);
    if (pe_buf_append_text(&coded, "=?base64?", err) < 0 ||
        pe_json_append_base64(&coded, &rest, SIZE_MAX, err) < 0 || pe_buf_append(&coded, "?=", 3, err) < 0)
        return -1;
    return transfer_header(transfer, "Mcp-Name", (const char *)coded.data, err);
}

int mcp_line_add_headers(const struct mcp_line *line, struct transfer *transfer, struct pe_error *err)
{
    const json_t *params = json_object_get(line->json, "params");
    const char *method = json_string_value(json_object_get(line->json, "method"));
    const char *name = json_string_value(json_object_get(params, "name"));
    const char *version = json_string_value(
        json_object_get(json_object_get(params, "_meta"), "io.modelcontextprotocol/protocolVersion"));
    if (transfer_header(transfer, "Content-Type", "application/json", err) < 0 ||
        transfer_header(transfer, "Accept", "application/json, text/event-stream", err) < 0)
        return -1;
    /* Earlier revisions have none of these headers. */
    if (!version || !is_plain(version) || !method || !is_plain(method))
        return 0;
    if (transfer_header(transfer, "MCP-Protocol-Version", version, err) < 0 ||
        transfer_header(transfer, "Mcp-Method", method, err) < 0)
        return -1;
    return name ? add_name(transfer, name, err) : 0;
}

int mcp_append_failure(const json_t *id, enum mcp_failure code, const char *why, struct pe_buf *out,
                       struct pe_error *err)
{
    pe_autojson json_t *json = json_pack("{s:s, s:O*, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error",
                                         "code", (int)code, "message", why);
    pe_autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    return pe_buf_append_text(out, text, err) < 0 ? -1 : pe_buf_append_text(out, "\n", err);
}
