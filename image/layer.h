/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of an image, applied in order (OCI image-spec layer.md). Every layer but the last is
 * read twice. The first pass reads the headers into the tree, which then knows the files that no
 * later layer replaces. The second pass writes the contents of these files to the squashfs image.
 * Nothing replaces files of the last layer, so it is read only once. The first pass refuses every
 * member that a hostile layer could misuse. */
#ifndef PE_IMAGE_LAYER_H
#define PE_IMAGE_LAYER_H

#include "base/error.h"
#include "image/squashfs_image.h"
#include "image/stream.h"
#include "image/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limit for the members of all layers. Each takes about 300 bytes of memory, and no real root
 * filesystem has as many. */
#define LAYER_MEMBERS_MAX 1000000u

/* Limit for the names, link targets and extended attributes of all members together, which stay in memory. A
 * million members with names of 60 bytes have a quarter of it. */
#define LAYER_METADATA_MAX (256u << 20)

struct layer_rules {
    bool whiteouts;         /* names with ".wh." remove files of lower layers; otherwise they are ordinary */
    bool keep_devices;      /* keep device nodes, FIFOs and sockets; otherwise skip them */
    uint64_t bytes_left;    /* remaining limit for the size of all files, holes included */
    uint64_t members_left;  /* remaining limit for the number of members */
    uint64_t metadata_left; /* remaining limit for the bytes of their metadata */
    struct squashfs_image *squashfs; /* for the last layer: where its files are written; NULL for others */
};

struct layer_counts {
    uint64_t files;   /* regular files */
    uint64_t bytes;   /* total size of regular files, holes included */
    uint64_t dropped; /* device nodes, FIFOs and sockets that were skipped */
};

/* The inodes of a layer's regular files in the order of the tar; NULL for files that are not
 * kept. */
struct layer_plan {
    struct tree_inode **inodes; /* the array is owned, the inodes belong to the tree */
    size_t count, capacity;
};
/* Free a plan. */
void layer_plan_free(struct layer_plan *plan);

/* First pass: apply the headers of the layer number `tree->layer` to the tree and fill `plan`. For
 * the last layer, the files are written to `rules->squashfs` instead. Members below /dev, /proc and
 * /sys are skipped. `name` is used in messages. The caller frees `plan`, also after a failure.
 * PE_ERR_MALFORMED when the layer is not a tar or is truncated, PE_ERR_INVALID when a member is not allowed,
 * PE_ERR_TOO_LARGE beyond a limit, PE_ERR_INTERNAL without memory, and the errors of image/stream.h. */
int layer_scan(struct stream *stream, const char *name, struct tree *tree, struct layer_rules *rules,
               struct layer_plan *plan, struct layer_counts *counts, struct pe_error *err) PE_MUST_CHECK;

/* Second pass: write the files that are still in the tree to `squashfs`. PE_ERR_INVALID when the layer has
 * changed since the first pass, and the errors of image/stream.h and image/squashfs_image.h. */
int layer_write(struct stream *stream, const char *name, const struct layer_plan *plan,
                struct squashfs_image *squashfs, struct layer_counts *counts,
                struct pe_error *err) PE_MUST_CHECK;

#endif
