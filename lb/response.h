/* A job's result as the bytes of an HTTP response body: multipart/form-data, cpio (newc) or JSON, produced as
 * the result's bytes arrive. No HTTP in it: whoever sends takes from `out`. */
#ifndef PE_LB_RESPONSE_H
#define PE_LB_RESPONSE_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/negotiate.h"
#include "proto/result.h"
#include "proto/slot.h"

#include <stddef.h>
#include <stdint.h>

struct response {
    enum response_format format;
    struct pe_result result;
    struct pe_parts parts;   /* stdout, stderr, then files; owned */
    size_t part;             /* the part whose bytes come next */
    uint64_t part_left;      /* bytes of it still to come */
    char boundary[48];       /* of multipart */
    char content_type[128];  /* the Content-Type header's value */
    struct pe_buf out;       /* body bytes ready to be sent, the sender consumes them */
    struct pe_buf collected; /* JSON only: the bytes of all parts, until the end */
};

/* Begin with what the worker's `result` message said; takes `parts` over, leaving them empty. */
int response_begin(struct response *response, enum response_format format, const struct pe_result *result,
                   struct pe_parts *parts, struct pe_error *err) PE_MUST_CHECK;

/* The next bytes of the parts, in any division. More than the parts announced are PE_ERR_MALFORMED. */
int response_bytes(struct response *response, const void *bytes, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* All bytes are there; fewer than announced are PE_ERR_MALFORMED. `out` then holds the rest of the body. */
int response_end(struct response *response, struct pe_error *err) PE_MUST_CHECK;

void response_free(struct response *response);

/* response_json.c: the whole JSON body from a response with everything collected, into `out`. */
int response_put_json(struct response *response, struct pe_error *err) PE_MUST_CHECK;

#endif
