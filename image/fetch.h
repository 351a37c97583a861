/* Fetching images from another host's store over HTTP. A store is plain files, with index.json to say which:
 * any web server serves it. */
#ifndef PE_IMAGE_FETCH_H
#define PE_IMAGE_FETCH_H

#include "base/error.h"
#include "image/progress.h"

#include <stddef.h>

struct fetch_result {
    size_t fetched; /* names that are new here, or mean something new */
    size_t present; /* names that were here already */
};

/* Bring the images of these names, or all when there are none, from the store at `url` into `store`. The
 * digest of each is checked before it appears. PE_ERR_NOT_FOUND for a name that the other does not have. */
int fetch_images(const char *store, const char *url, char *const *names, size_t count,
                 struct progress *progress, struct fetch_result *result, struct pe_error *err) PE_MUST_CHECK;

#endif
