/* What an image consists of, by the documents in its source: OCI image-spec (image-layout.md,
 * image-index.md, manifest.md, config.md), and `docker save`'s manifest.json. All of it is hostile until
 * checked. */
#ifndef PE_IMAGE_OCI_H
#define PE_IMAGE_OCI_H

#include "base/error.h"
#include "codec/sha256.h"
#include "image/source.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define OCI_LAYERS_MAX 1024u

struct oci_layer {
    char *file;                          /* name in the source; owned */
    char digest[PE_SHA256_DIGEST_SIZE];  /* of the file; empty when nothing says it */
    char diff_id[PE_SHA256_DIGEST_SIZE]; /* of what it unpacks to */
    uint64_t size;                       /* bytes of the file; 0 when nothing says it */
};

struct oci_image {
    json_t *config;                            /* the whole configuration document, checked; owned */
    char config_digest[PE_SHA256_DIGEST_SIZE]; /* of the document */
    struct oci_layer *layers;                  /* owned; lowest first */
    size_t layer_count;
};
void oci_image_free(struct oci_image *image);
#define pe_autooci __attribute__((cleanup(oci_image_free)))

struct oci_choice {
    const char *architecture; /* as Go and OCI name it, "amd64", with "/variant" if that matters */
    const char *reference; /* which of several images: annotation org.opencontainers.image.ref.name, or one of
                              docker's RepoTags; NULL: the only one */
};

/* The name of this machine's architecture as OCI writes it; `name` itself when uname's is not known. */
const char *oci_architecture(const char *name);

/* Find the image and read its documents, the digest of each checked. PE_ERR_NOT_FOUND when there is none for
 * the architecture, naming those that there are. `image` is zeroed first. */
int oci_read(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
             struct pe_error *err) PE_MUST_CHECK;

#endif
