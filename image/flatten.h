/* SPDX-License-Identifier: Apache-2.0 */
/* Turning the layers of an image into one squashfs root filesystem. */
#ifndef PE_IMAGE_FLATTEN_H
#define PE_IMAGE_FLATTEN_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sha256.h"
#include "image/layer.h"
#include "image/progress.h"
#include "image/squashfs_compressor.h"
#include "image/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an image has at a path, after following symbolic links inside it. */
enum flatten_found { FLATTEN_NOTHING, FLATTEN_FILE, FLATTEN_EMPTY_DIRECTORY, FLATTEN_FULL_DIRECTORY };

#define FLATTEN_PATHS_MAX 2

struct flatten_options {
    bool whiteouts;     /* the tars are layers, in which names with ".wh." are whiteouts */
    bool keep_devices;  /* keep device nodes, FIFOs and sockets, except below /dev */
    uint64_t bytes_max; /* limit for the size of the unpacked tars, and for that of their files */
    enum squashfs_compressor compressor;
    const char *paths[FLATTEN_PATHS_MAX]; /* paths to look up in the result; NULL: none */
};

struct flatten_result {
    uint64_t rootfs_bytes;              /* of the squashfs file */
    char digest[PE_SHA256_DIGEST_SIZE]; /* of the squashfs file */
    struct layer_counts counts;
    enum flatten_found found[FLATTEN_PATHS_MAX]; /* what is at the paths of the options */
    struct pe_buf passwd, group; /* contents of these files in /etc, where links lead to inside the image;
                                    empty when there is no such file */
};
/* Free what a result owns. */
void flatten_result_free(struct flatten_result *result);
#define pe_autoflattened __attribute__((cleanup(flatten_result_free)))

/* Apply the `count` layers in order, lowest first, and write the squashfs to a new file at `path`.
 * Directories that a job needs are created. PE_ERR_INVALID when the image has something else in
 * their place or there are no layers, PE_ERR_TOO_LARGE beyond `bytes_max` or for a large /etc/passwd, and
 * the errors of image/layer.h, image/stream.h and image/squashfs_image.h. `result` is zeroed first; the
 * caller frees it, and removes the file at `path`, also after a failure. */
int flatten(const struct stream_input *layers, size_t count, const struct flatten_options *options,
            const char *path, struct progress *progress, struct flatten_result *result,
            struct pe_error *err) PE_MUST_CHECK;

#endif
