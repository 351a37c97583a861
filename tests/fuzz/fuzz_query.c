/* SPDX-License-Identifier: Apache-2.0 */
/* The query of GET /v1/images. The input is the path with its query. An image that accepts files of every
 * name is always listed, and one that accepts a single name only if the query has its letters in some
 * encoding. */
#include "base/cleanup.h"
#include "lb/api/info.h"
#include "lb/edge/http_reply.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fake_body.h"
#include "tests/fuzz/fake_request.h"
#include "tests/fuzz/known_images.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char images_text[] =
    "[{\"name\":\"any:1\",\"digest\":\"" DIGEST "\",\"inputs\":[{\"patterns\":[\"**\"]}]},"
    "{\"name\":\"one:1\",\"digest\":\"" DIGEST "\",\"inputs\":[{\"patterns\":[\"a b\"]}]}]";

void http_reply_header(h2o_req_t *req, const char *name, const char *value)
{
    (void)req, (void)name, (void)value;
}

/* How many images were listed. */
static size_t count_listed(void)
{
    pe_autojson json_t *json = json_loadb((const char *)fake_body.data, fake_body.size, 0, NULL);
    HOLDS(json_is_object(json_object_get(json, "defaults")));
    return json_array_size(json_object_get(json, "images"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fake_request fake;
    pe_autofree char *path = size ? memcpy(malloc(size), bytes, size) : NULL;
    const char *mark = size ? memchr(path, '?', size) : NULL;
    fake_begin(&fake);
    fake.req.path = h2o_iovec_init(path, size);
    fake.req.query_at = mark ? (size_t)(mark - path) : SIZE_MAX;
    fake_bodies = 0;
    api_images(scheduler_with_images(images_text), NULL, &fake.req);
    size_t listed = count_listed();
    HOLDS(fake_bodies == 1 && (listed == 1 || listed == 2));
    if (mark && size - (size_t)(mark - path) >= 10 && !memcmp(mark, "?file=a+b&", 10))
        HOLDS(listed == 2);
    if (!mark)
        HOLDS(listed == 2);
    fake_end(&fake);
    return 0;
}
