/* What the service answered to a job, checked as a whole before any of it is used. */
#ifndef PE_CLI_RESPONSE_H
#define PE_CLI_RESPONSE_H

#include "base/error.h"
#include "cli/http_reply.h"
#include "proto/path.h"
#include "proto/result.h"

#include <stddef.h>
#include <stdint.h>

struct response_bytes {
    const uint8_t *data; /* in the reply's body */
    size_t size;
};

struct response_file {
    struct pe_path path; /* below the output folder */
    struct response_bytes bytes;
};

struct response {
    struct pe_result result;
    struct response_bytes standard_output, standard_error;
    struct response_file *files; /* owned */
    size_t file_count;
};

/* Whether a reply is a success of this media type. A refusal of the service (application/problem+json, or any
 * other status than 200) is an error with the problem's title and detail, of kind PE_ERR_NOT_FOUND for an
 * unknown image, PE_ERR_BUSY for 429 and 503, PE_ERR_INVALID or PE_ERR_TOO_LARGE for other 4xx, with errnum
 * EACCES for 401 and 403; an answer that is not what it should be is PE_ERR_MALFORMED. */
int response_check(const struct http_reply *reply, const char *type, struct pe_error *err) PE_MUST_CHECK;

/* Read a reply, which must outlive the response. */
int response_read(const struct http_reply *reply, struct response *response,
                  struct pe_error *err) PE_MUST_CHECK;

/* The same of a reply in JSON: only `result` is filled in. */
int response_read_json(const struct http_reply *reply, struct response *response,
                       struct pe_error *err) PE_MUST_CHECK;

void response_free(struct response *response);

#endif
