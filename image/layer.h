/* The layers of an image, applied in order (OCI image-spec layer.md). A layer that others follow is read
 * twice: first its headers, into the tree, so that it is known which files are left in the end; then the
 * bytes of those, into the squashfs image. Nothing replaces what the last layer has: it is read once.
 * Everything that a hostile layer can do is refused in the first reading. */
#ifndef PE_IMAGE_LAYER_H
#define PE_IMAGE_LAYER_H

#include "base/error.h"
#include "image/squashfs_image.h"
#include "image/stream.h"
#include "image/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An archive with more members than this is no root filesystem but an attack; each takes about 300 bytes of
 * memory. */
#define LAYER_MEMBERS_MAX 1000000u

/* A file whose bytes are wanted as well. */
struct layer_copy {
    const char *path; /* clean */
    struct pe_buf *to;
};

struct layer_rules {
    bool whiteouts;      /* ".wh." names remove what is below, as in layers; else they are names */
    bool keep_devices;   /* device nodes, fifos and sockets are kept; else left out */
    uint64_t bytes_left; /* what files may still have together, holes included; counted down */
    uint64_t members_left;
    struct squashfs_image *squashfs; /* of the last layer: files are written at once; else NULL */
    const struct layer_copy *copies; /* what of them to copy */
    size_t copy_count;
};

struct layer_counts {
    uint64_t files;   /* regular files */
    uint64_t bytes;   /* of regular files, holes included */
    uint64_t dropped; /* device nodes, fifos and sockets left out */
};

/* The inodes of a layer's regular files, in the order in which they come. */
struct layer_plan {
    struct tree_inode **inodes; /* owned; they are the tree's */
    size_t count, capacity;
};
void layer_plan_free(struct layer_plan *plan);

/* First reading: apply the layer's headers to the tree, whose `layer` says which it is. `plan` is filled, but
 * for the last layer.
 * Members below /dev, /proc and /sys are left out. PE_ERR_MALFORMED when it is no tar or cut short,
 * PE_ERR_INVALID when a member is not allowed, PE_ERR_TOO_LARGE over a limit. */
int layer_scan(struct stream *stream, const char *name, struct tree *tree, struct layer_rules *rules,
               struct layer_plan *plan, struct layer_counts *counts, struct pe_error *err) PE_MUST_CHECK;

/* Second reading: write the files that are still in the tree, each also to its inode's `copy`. */
int layer_write(struct stream *stream, const char *name, const struct layer_plan *plan,
                struct squashfs_image *squashfs, struct layer_counts *counts,
                struct pe_error *err) PE_MUST_CHECK;

#endif
