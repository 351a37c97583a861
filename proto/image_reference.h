/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: how a user names an image, "name:tag" or "name@sha256:<64 hex digits>", which
 * image of a catalog a reference means, and which images the user may have meant when there is
 * none. */
#ifndef PE_PROTO_IMAGE_REFERENCE_H
#define PE_PROTO_IMAGE_REFERENCE_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>

/* True if `text` is a well-formed reference: lower-case letters, digits and "._/-" that begin with
 * a letter or digit, then ":" and a tag, "@sha256:" and 64 hex digits, or neither (after the OCI
 * distribution specification's grammars of names and tags). At most PE_IMAGE_NAME_MAX bytes. */
bool pe_image_reference_valid(const char *text);

/* True if a valid reference means the image called `name` ("gcc:14") with this digest ("sha256:…").
 * A reference with a tag must equal the name. For one with a digest, the digests and the names
 * without their tags must be equal: "gcc@sha256:…" means "gcc:14" if the digest is that of
 * "gcc:14". */
bool pe_image_reference_matches(const char *reference, const char *name, const char *digest);

/* The few known images most similar to a reference that no image matches, most similar first: other
 * tags of the same name, then names that differ by a few edits. The result does not depend on the
 * order in which names are added. */
#define PE_IMAGE_SUGGESTIONS_MAX 3u

struct pe_image_suggestion {
    const char *name;               /* "gcc:14"; borrowed from the caller of pe_image_suggestions_add */
    unsigned name_edits, tag_edits; /* how many edits turn the reference's name and tag into this one's */
};

struct pe_image_suggestions {
    const char *reference; /* set by the caller, who owns it; everything else begins as zero */
    struct pe_image_suggestion items[PE_IMAGE_SUGGESTIONS_MAX];
    size_t count;
    size_t work; /* how much was compared, in steps of a few nanoseconds */
};

/* Consider one known image's name. It must outlive `suggestions`. A name may be added several
 * times. Does nothing once pe_image_suggestions_are_done. */
void pe_image_suggestions_add(struct pe_image_suggestions *suggestions, const char *name);

/* True when names were compared for so long, some milliseconds, that others are not considered any more: the
 * balancer knows up to millions of names, and answers nobody meanwhile. */
bool pe_image_suggestions_are_done(const struct pe_image_suggestions *suggestions);

/* Append "; did you mean gcc:13 or gcc:14?" to the text in `message`, a buffer of `size` bytes.
 * Appends nothing when there is no suggestion; a text that does not fit is cut. */
void pe_image_suggestions_append(const struct pe_image_suggestions *suggestions, char *message, size_t size);

#endif
