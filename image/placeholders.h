/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders in the commands of metadata, as {files} or {main}. A typing error in one of them would
 * be passed to a program as it is, and the image would fail for every job. So metadata with an
 * unknown or misplaced placeholder is refused. Commands of an OCI configuration are not checked: they
 * have no placeholders. */
#ifndef PE_IMAGE_PLACEHOLDERS_H
#define PE_IMAGE_PLACEHOLDERS_H

#include "base/error.h"

#include <jansson.h>

/* Check all commands of an image's metadata. PE_ERR_INVALID names the field and the argument. Values
 * of a wrong type are not an error here. */
int placeholders_check(const json_t *metadata, struct pe_error *err) PE_MUST_CHECK;

#endif
