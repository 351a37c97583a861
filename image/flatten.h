/* The layers of an image become one squashfs rootfs. */
#ifndef PE_IMAGE_FLATTEN_H
#define PE_IMAGE_FLATTEN_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sha256.h"
#include "image/layer.h"
#include "image/progress.h"
#include "image/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatten_options {
    bool whiteouts;     /* the tars are layers, not a root filesystem */
    bool keep_devices;  /* device nodes, fifos and sockets are kept, but never below /dev */
    uint64_t bytes_max; /* the most that the tars may unpack to, and that their files may have */
};

struct flatten_result {
    uint64_t rootfs_bytes;              /* of the squashfs file */
    char digest[PE_SHA256_DIGEST_SIZE]; /* of the squashfs file */
    struct layer_counts counts;
    struct pe_buf passwd, group; /* the image's /etc/passwd and /etc/group, empty when it has none */
};
void flatten_result_free(struct flatten_result *result);
#define pe_autoflattened __attribute__((cleanup(flatten_result_free)))

/* Apply the layers in order and write the squashfs to a new file at `path`. The directories that a job needs
 * are made; an image that has something else in their place is PE_ERR_INVALID. `result` is zeroed first and
 * is the caller's to free, also after a failure. */
int flatten(const struct stream_input *layers, size_t count, const struct flatten_options *options,
            const char *path, struct progress *progress, struct flatten_result *result,
            struct pe_error *err) PE_MUST_CHECK;

/* Make the directories of a tree below `prefix` ("" or "name") that the runtime mounts on. */
int flatten_make_mount_points(struct tree *tree, const char *prefix, struct pe_error *err) PE_MUST_CHECK;

#endif
