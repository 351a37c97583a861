/* SHA-256 digests as image formats write them: "sha256:" and 64 lowercase hex digits (OCI image-spec
 * descriptor.md#digests). */
#ifndef PE_IMAGE_DIGEST_H
#define PE_IMAGE_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_BYTES 72 /* with the NUL */

/* Whether a text is such a digest. Other algorithms are not supported. */
bool digest_is_valid(const char *text);

struct digest;

/* A digest of the bytes that are added to it. NULL on failure. */
struct digest *digest_new(struct pe_error *err) PE_MUST_CHECK;
int digest_add(struct digest *digest, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;
/* Its text; nothing can be added afterwards. */
int digest_end(struct digest *digest, char text[DIGEST_TEXT_BYTES], struct pe_error *err) PE_MUST_CHECK;
void digest_free(struct digest *digest);

static inline void digest_cleanup(struct digest **digest)
{
    digest_free(*digest);
}
#define pe_autodigest __attribute__((cleanup(digest_cleanup)))

/* Of a whole file, and of bytes in memory. */
int digest_file(const char *path, char text[DIGEST_TEXT_BYTES], struct pe_error *err) PE_MUST_CHECK;
int digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT_BYTES],
                 struct pe_error *err) PE_MUST_CHECK;

#endif
