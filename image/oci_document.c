/* SPDX-License-Identifier: Apache-2.0 */
/* Documents are read completely, and their digests are checked before they are parsed. */
#include "image/oci_document.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"

#include <stdio.h>
#include <string.h>

json_t *oci_parse_document(const struct pe_buf *text, const char *name, struct pe_error *err)
{
    json_error_t where;
    if (pe_json_check_bounds(text->data, text->size, OCI_DOCUMENT_VALUES_MAX, err) < 0) {
        pe_fail_context(err, "%s", name);
        return NULL;
    }
    json_t *json = json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        pe_fail(err, PE_ERR_MALFORMED, "%s is not valid JSON: line %d: %s", name, where.line, where.text);
    return json;
}

json_t *oci_read_document(const struct source *source, const char *name, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    return source_read_file(source, name, OCI_DOCUMENT_BYTES_MAX, &text, err) < 0
               ? NULL
               : oci_parse_document(&text, name, err);
}

int oci_read_descriptor(const json_t *json, struct oci_descriptor *descriptor, struct pe_error *err)
{
    const char *digest = json_string_value(json_object_get(json, "digest"));
    const char *type = json_string_value(json_object_get(json, "mediaType"));
    const json_t *size = json_object_get(json, "size");
    if (!digest || !pe_sha256_digest_valid(digest))
        return pe_fail(err, PE_ERR_MALFORMED, "a descriptor's digest is not sha256:<64 hex digits>");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the descriptor of %s has no valid size", digest);
    *descriptor = (struct oci_descriptor){.size = (uint64_t)json_integer_value(size)};
    snprintf(descriptor->media_type, sizeof descriptor->media_type, "%s", type ? type : "");
    memcpy(descriptor->digest, digest, PE_SHA256_DIGEST_SIZE);
    return 0;
}

int oci_blob_name(const char *digest, char name[OCI_BLOB_NAME_MAX], struct pe_error *err)
{
    if (!pe_sha256_digest_valid(digest))
        return pe_fail(err, PE_ERR_INVALID, "digest '%.80s' is not sha256:<64 hex digits>", digest);
    snprintf(name, OCI_BLOB_NAME_MAX, "blobs/sha256/%s", digest + strlen("sha256:"));
    return 0;
}

json_t *oci_read_blob(const struct source *source, const struct oci_descriptor *descriptor,
                      struct pe_error *err)
{
    char name[OCI_BLOB_NAME_MAX], digest[PE_SHA256_DIGEST_SIZE];
    pe_autobuf struct pe_buf text = {0};
    if (oci_blob_name(descriptor->digest, name, err) < 0 ||
        source_read_file(source, name, OCI_DOCUMENT_BYTES_MAX, &text, err) < 0 ||
        pe_sha256_digest(text.data, text.size, digest, err) < 0)
        return NULL;
    if (strcmp(digest, descriptor->digest) != 0 || text.size != descriptor->size) {
        pe_fail(err, PE_ERR_INVALID,
                "%s has %zu bytes with digest %s, but %llu bytes with the digest in its name were expected",
                name, text.size, digest, (unsigned long long)descriptor->size);
        return NULL;
    }
    return oci_parse_document(&text, name, err);
}
