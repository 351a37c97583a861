/* SPDX-License-Identifier: Apache-2.0 */
/* The file of --host-images: which images a new host fetches, and from where. Its first line that is neither
 * empty nor a comment (#) is the URL of an image store. The others are images, NAME:TAG or
 * NAME:TAG@sha256:DIGEST; without any, a host fetches the whole store. */
#ifndef PE_LB_API_HOST_IMAGES_H
#define PE_LB_API_HOST_IMAGES_H

#include "base/error.h"

#include <jansson.h>

struct host_images {
    json_t *json; /* {"store": URL, "names": [...]}, owned; NULL: there is no file */
};

/* Read the file. PE_ERR_INVALID names the line that is wrong; PE_ERR_NOT_FOUND, PE_ERR_TOO_LARGE or
 * PE_ERR_INTERNAL if it cannot be read. On failure `images` stays as it was. */
int host_images_read(struct host_images *images, const char *file, struct pe_error *err) PE_MUST_CHECK;

#endif
