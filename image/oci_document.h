/* SPDX-License-Identifier: Apache-2.0 */
/* Reading single documents of an image, and the descriptors that refer to them (OCI image-spec
 * descriptor.md). They are not trusted. image/oci_index.c and image/oci.c interpret them. */
#ifndef PE_IMAGE_OCI_DOCUMENT_H
#define PE_IMAGE_OCI_DOCUMENT_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sha256.h"
#include "image/source.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Registries refuse manifests larger than 4 MiB (OCI distribution-spec). */
#define OCI_DOCUMENT_BYTES_MAX (4u << 20)
/* The largest documents have 10,000 descriptors with about ten values each. A value takes about 200
 * bytes of memory. */
#define OCI_DOCUMENT_VALUES_MAX 200000u
#define OCI_BLOB_NAME_MAX 96u

struct oci_descriptor {
    char digest[PE_SHA256_DIGEST_SIZE];
    uint64_t size;        /* bytes */
    char media_type[128]; /* of the document; "" when unknown; cut when it is longer */
};

/* Parse a document. `name` is used in messages. NULL on failure; the caller drops the reference.
 * PE_ERR_MALFORMED for wrong JSON, and for more than PE_JSON_DEPTH_MAX levels; PE_ERR_TOO_LARGE for too many
 * values. */
json_t *oci_parse_document(const struct pe_buf *text, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Read a document by its file name in the source; at most OCI_DOCUMENT_BYTES_MAX bytes. Failures as above
 * and of source_read_file. */
json_t *oci_read_document(const struct source *source, const char *name, struct pe_error *err) PE_MUST_CHECK;

/* Read a descriptor. PE_ERR_MALFORMED when its digest or size is wrong. */
int oci_read_descriptor(const json_t *json, struct oci_descriptor *descriptor,
                        struct pe_error *err) PE_MUST_CHECK;

/* Write the file name of a blob in a layout to `name`. PE_ERR_INVALID for a digest that is not
 * SHA-256. */
int oci_blob_name(const char *digest, char name[OCI_BLOB_NAME_MAX], struct pe_error *err) PE_MUST_CHECK;

/* Read the document that a descriptor refers to. PE_ERR_INVALID when its size or digest is not that
 * of the descriptor; other failures as in oci_read_document. */
json_t *oci_read_blob(const struct source *source, const struct oci_descriptor *descriptor,
                      struct pe_error *err) PE_MUST_CHECK;

#endif
