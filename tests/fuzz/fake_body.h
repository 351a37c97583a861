/* SPDX-License-Identifier: Apache-2.0 */
/* In the place of lb/api/body_stream.c: a whole body is made at once, in small pieces. One fuzzer includes
 * this once. */
#ifndef PE_FUZZ_FAKE_BODY_H
#define PE_FUZZ_FAKE_BODY_H

#include "lb/api/body_stream.h"
#include "tests/fuzz/fuzz.h"

static struct pe_buf fake_body; /* what was sent last */
static unsigned fake_bodies;    /* how often something was sent */

/* Make the body. */
void body_stream_send(struct body_streams *streams, h2o_req_t *req, const char *type,
                      const struct body_source *source, const void *state, size_t state_size)
{
    struct pe_error err;
    bool ended = false;
    void *copy = malloc(state_size);
    (void)streams, (void)req;
    HOLDS(copy && *type);
    memcpy(copy, state, state_size);
    fake_body.size = 0;
    fake_bodies++;
    for (int pieces = 0; !ended; pieces++) {
        HOLDS(pieces < 10000);
        HOLDS(source->append(copy, &fake_body, fake_body.size + 7, &ended, &err) == 0);
    }
    if (source->release)
        source->release(copy);
    free(copy);
}

#endif
