/* Which form of response a client wants: the Accept header (RFC 9110 section 12.5.1) against what there is.
 */
#ifndef PE_LB_EDGE_NEGOTIATE_H
#define PE_LB_EDGE_NEGOTIATE_H

#include <stddef.h>

enum response_format { RESPONSE_MULTIPART, RESPONSE_JSON, RESPONSE_CPIO, RESPONSE_FORMATS };

/* The media type of each format. */
extern const char *const response_media_types[RESPONSE_FORMATS];

/* The best format for an Accept header's value, multipart when it leaves the choice to us; RESPONSE_FORMATS
 * when nothing fits. */
enum response_format negotiate_format(const char *accept, size_t size);

#endif
