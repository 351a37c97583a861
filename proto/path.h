/* Relative paths that came from somebody else. A path is checked once, at the door; what takes a `struct
 * pe_path` may rely on it: 1 to PE_PATH_MAX bytes, no NUL, not absolute, no empty, "." or ".." component, no
 * component over PE_PATH_COMPONENT_MAX bytes, at most PE_PATH_DEPTH_MAX of them. Bytes above 0x7f are kept as
 * they are: Linux names are bytes. No libc beyond string.h, so that the guest uses it too. */
#ifndef PE_PROTO_PATH_H
#define PE_PROTO_PATH_H

#include "base/error.h"
#include "proto/limits.h"

#include <stddef.h>

struct pe_path {
    char text[PE_PATH_MAX + 1];
    size_t length; /* bytes, without the NUL */
};

/* Check `length` bytes and copy them. PE_ERR_INVALID says what is wrong with the name. Control characters are
 * refused as well when `from_client`: a client has no use for them and they would travel into headers. */
int pe_path_parse(const char *bytes, size_t length, int from_client, struct pe_path *path,
                  struct pe_error *err) PE_MUST_CHECK;

/* Make untrusted bytes printable for an error message: at most size-1 bytes, control characters as '?'. */
const char *pe_path_printable(const char *bytes, size_t length, char *text, size_t size);

#endif
