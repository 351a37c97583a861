/* SPDX-License-Identifier: Apache-2.0 */
/* Relative paths from untrusted sources. A path is checked once, when it arrives. Every `struct
 * pe_path` has 1 to PE_PATH_MAX bytes, no NUL, no slash in front, no component that is empty, "."
 * or "..", no component longer than PE_PATH_COMPONENT_MAX bytes and at most PE_PATH_DEPTH_MAX
 * components. Bytes above 0x7f are not changed, because file names in Linux are bytes. The guest
 * uses this file as well. */
#ifndef PE_PROTO_PATH_H
#define PE_PROTO_PATH_H

#include "base/error.h"
#include "proto/limits.h"

#include <stddef.h>

struct pe_path {
    char text[PE_PATH_MAX + 1];
    size_t length; /* bytes, without the NUL */
};

/* Check `length` bytes and copy them. PE_ERR_INVALID says what is wrong with the path. If
 * `from_client` is not 0, control characters are refused as well, because the name may be copied
 * into HTTP headers. */
int pe_path_parse(const char *bytes, size_t length, int from_client, struct pe_path *path,
                  struct pe_error *err) PE_MUST_CHECK;

#define PE_PATH_ARGUMENT_SIZE (PE_PATH_MAX + 3) /* bytes: "./", a path, and the NUL */

/* A path as an argument of a program: the path itself, or a copy in `text` with "./" in front if
 * programs could take it for something else. "-v.c" and, for shells, "+x" look like options, and
 * "@x" like a file of arguments (GCC, Java). */
const char *pe_path_as_argument(const char *path, char text[PE_PATH_ARGUMENT_SIZE]);

/* Copy untrusted bytes into `text`, a buffer of `size` bytes, for an error message. Control
 * characters become '?', and the rest is cut. Returns `text`. */
const char *pe_path_printable(const char *bytes, size_t length, char *text, size_t size);

#endif
