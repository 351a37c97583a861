/* SPDX-License-Identifier: Apache-2.0 */
/* The revisions of the Model Context Protocol. Sources: its specification, pages "Versioning" and
 * "Streamable HTTP" of the revision 2026-07-28, and "Lifecycle" and "Transports" of 2025-11-25. */
#include "lb/mcp/versions.h"

#include "base/cleanup.h"
#include "codec/base64.h"
#include "codec/json_list.h"
#include "codec/utf8_text.h"

#include <stdio.h>
#include <string.h>

#define MODERN "2026-07-28"
#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

static const char *const versions[] = {MODERN, "2025-11-25", "2025-06-18", "2025-03-26"};
enum { VERSIONS = sizeof versions / sizeof *versions, FIRST_LEGACY = 1 };

static h2o_iovec_t header(const h2o_req_t *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    return at < 0 ? h2o_iovec_init(NULL, 0) : req->headers.entries[at].value;
}

static bool is_text(h2o_iovec_t value, const char *text)
{
    return text && value.base && value.len == strlen(text) && !memcmp(value.base, text, value.len);
}

static const char *meta_version(const struct mcp_message *message)
{
    return json_string_value(json_object_get(json_object_get(message->params, "_meta"), META_VERSION));
}

bool mcp_is_modern(const h2o_req_t *req, const struct mcp_message *message)
{
    h2o_iovec_t sent = header(req, "mcp-protocol-version");
    for (size_t i = FIRST_LEGACY; i < VERSIONS; i++)
        if (is_text(sent, versions[i]))
            return false;
    return meta_version(message) || is_text(sent, MODERN);
}

json_t *mcp_versions(void)
{
    json_t *array = json_array();
    for (size_t i = 0; i < VERSIONS; i++)
        pe_json_list_add(&array, json_string(versions[i]));
    return array;
}

const char *mcp_legacy_version(const char *wanted)
{
    for (size_t i = FIRST_LEGACY; wanted && i < VERSIONS; i++)
        if (!strcmp(wanted, versions[i]))
            return versions[i];
    return versions[FIRST_LEGACY];
}

/* ---- faults ---- */

/* The version may be any bytes of a header, and is cut; JSON must be UTF-8. Without memory, the fault has no
 * data. */
static struct mcp_fault unsupported(const char *requested, size_t size)
{
    struct mcp_fault fault = {.code = MCP_UNSUPPORTED_VERSION};
    struct pe_error ignored;
    pe_autobuf struct pe_buf readable = {0};
    snprintf(fault.text, sizeof fault.text, "Unsupported protocol version");
    if (pe_utf8_append_repaired(&readable, requested, size < 64 ? size : 64, &ignored) == 0)
        fault.data = json_pack("{s:o, s:s%}", "supported", mcp_versions(), "requested",
                               readable.size ? (const char *)readable.data : "", readable.size);
    return fault;
}

static struct mcp_fault fault_of(enum mcp_code code, const char *text)
{
    struct mcp_fault fault = {.code = code};
    snprintf(fault.text, sizeof fault.text, "%s", text);
    return fault;
}

/* A header repeats what is in the body, as it is or, if it is not plain ASCII, as =?base64?…?=. */
static bool repeats(h2o_iovec_t value, const char *text)
{
    static const char begin[] = "=?base64?", end[] = "?=";
    size_t around = sizeof begin - 1 + sizeof end - 1, size = 0;
    if (is_text(value, text))
        return true;
    if (!text || value.len < around || memcmp(value.base, begin, sizeof begin - 1) != 0 ||
        memcmp(value.base + value.len - (sizeof end - 1), end, sizeof end - 1) != 0)
        return false;
    struct pe_error ignored;
    pe_autofree uint8_t *plain =
        pe_base64_decode(value.base + sizeof begin - 1, value.len - around, &size, &ignored);
    return plain && size == strlen(text) && !memcmp(plain, text, size);
}

static struct mcp_fault check_modern(const h2o_req_t *req, const struct mcp_message *message)
{
    h2o_iovec_t version = header(req, "mcp-protocol-version");
    const char *meta = meta_version(message),
               *name = json_string_value(json_object_get(message->params, "name"));
    if (!meta)
        return fault_of(MCP_INVALID_PARAMS, "params._meta has no " META_VERSION);
    if (!is_text(version, meta))
        return fault_of(MCP_HEADER_MISMATCH, "the header MCP-Protocol-Version must repeat " META_VERSION);
    if (strcmp(meta, MODERN) != 0)
        return unsupported(meta, strlen(meta));
    if (!json_is_object(json_object_get(json_object_get(message->params, "_meta"), META_CAPABILITIES)))
        return fault_of(MCP_INVALID_PARAMS, "params._meta has no " META_CAPABILITIES);
    if (!repeats(header(req, "mcp-method"), message->method))
        return fault_of(MCP_HEADER_MISMATCH, "the header Mcp-Method must repeat the method");
    if (!strcmp(message->method, "tools/call") && name && !repeats(header(req, "mcp-name"), name))
        return fault_of(MCP_HEADER_MISMATCH, "the header Mcp-Name must repeat params.name");
    return (struct mcp_fault){.code = 0};
}

struct mcp_fault mcp_check_request(const h2o_req_t *req, const struct mcp_message *message)
{
    h2o_iovec_t version = header(req, "mcp-protocol-version");
    if (mcp_is_modern(req, message))
        return check_modern(req, message);
    for (size_t i = FIRST_LEGACY; version.len && i < VERSIONS; i++)
        if (is_text(version, versions[i]))
            return (struct mcp_fault){.code = 0};
    return version.len ? unsupported(version.base, version.len) : (struct mcp_fault){.code = 0};
}
