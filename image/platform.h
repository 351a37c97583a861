/* SPDX-License-Identifier: Apache-2.0 */
/* Architectures and their variants, as in "amd64/v3" or "arm/v7" (OCI image-index.md, GOARCH and
 * GOAMD64 of Go), and which images a machine can run. */
#ifndef PE_IMAGE_PLATFORM_H
#define PE_IMAGE_PLATFORM_H

#include "base/error.h"

#include <stdbool.h>

#define PLATFORM_TEXT_MAX 64u

struct platform {
    char architecture[32]; /* as written, for example "amd64" or "x86_64" */
    char variant[24];      /* as written; "" when there is none */
};

/* Set a platform from an architecture and a variant, which may be NULL. Names that are too long are
 * cut, and then fit nothing. */
void platform_set(struct platform *platform, const char *architecture, const char *variant);

/* Set the platform that `text` asks for, as in "arm64", "arm/v7" or uname(2)'s "x86_64". NULL is
 * this machine. An architecture without a variant means the best variant of this machine, if it is
 * its architecture, and the oldest one otherwise. PE_ERR_INVALID for a text that is too long. */
int platform_parse(const char *text, struct platform *platform, struct pe_error *err) PE_MUST_CHECK;

/* How well an image of a platform suits a machine that has all features of `machine`: 0 when it
 * cannot run there; of two images, the one with the higher number uses more of the machine. A
 * machine runs the images of its own variant and of older ones: amd64/v3 also runs v2, v1 and images
 * without a variant. */
unsigned platform_fitness(const struct platform *image, const struct platform *machine);

/* Write a platform as in "amd64/v3". */
void platform_print(const struct platform *platform, char text[PLATFORM_TEXT_MAX]);

#endif
