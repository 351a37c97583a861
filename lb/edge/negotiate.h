/* Which form of response a client wants: the Accept header (RFC 9110 section 12.5.1) against what there is.
 */
#ifndef PE_LB_EDGE_NEGOTIATE_H
#define PE_LB_EDGE_NEGOTIATE_H

#include <stddef.h>

enum result_format { RESULT_MULTIPART, RESULT_JSON, RESULT_CPIO, RESULT_FORMATS };

/* The media type of each format. */
extern const char *const result_media_types[RESULT_FORMATS];

/* The best format for an Accept header's value, multipart when it leaves the choice to us; RESULT_FORMATS
 * when nothing fits. */
enum result_format negotiate_format(const char *accept, size_t size);

#endif
