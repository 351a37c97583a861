/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing and making compressors. libsquashfs compresses; this file only corrects one of its faults. */
#include "image/squashfs_compressor.h"

#include "image/squashfs_error.h"
#include "image/squashfs_reader_internal.h"

#include <sqfs/error.h>
#include <sqfs/io.h>
#include <stdlib.h>
#include <string.h>

/* zstd is chosen for small images, and unpacking costs the same at every level. */
#define ZSTD_LEVEL 15

static const struct {
    const char *name;
    SQFS_COMPRESSOR id;
} compressors[] = {[SQUASHFS_LZ4] = {"lz4", SQFS_COMP_LZ4}, [SQUASHFS_ZSTD] = {"zstd", SQFS_COMP_ZSTD}};
#define COMPRESSORS (sizeof compressors / sizeof *compressors)

int squashfs_compressor_parse(const char *name, enum squashfs_compressor *compressor, struct pe_error *err)
{
    for (size_t i = 0; i < COMPRESSORS; i++)
        if (!strcmp(compressors[i].name, name)) {
            *compressor = (enum squashfs_compressor)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_INVALID, "there is no compressor '%.20s'; choose lz4 or zstd", name);
}

int squashfs_compressor_of(const char *path, enum squashfs_compressor *compressor, struct pe_error *err)
{
    sqfs_super_t super;
    pe_autosquashfsfile sqfs_file_t *file = squashfs_super_open(path, &super, err);
    if (!file)
        return -1;
    for (size_t i = 0; i < COMPRESSORS; i++)
        if (compressors[i].id == super.compression_id) {
            *compressor = (enum squashfs_compressor)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_INVALID, "%s was not made by pe-image: it has another compressor", path);
}

SQFS_COMPRESSOR squashfs_compressor_id(enum squashfs_compressor compressor)
{
    return compressors[compressor].id;
}

/* ---- blocks that do not get smaller ---- */

/* The lz4 of libsquashfs 1.2.0 also gives blocks that are larger than before, and not 0, after which such a
 * block would be stored as it is. Linux and unsquashfs refuse compressed blocks that are larger than what is
 * in them. */
struct shrinking {
    sqfs_compressor_t base;
    sqfs_compressor_t *inner; /* owned */
};

static void shrinking_destroy(sqfs_object_t *object)
{
    struct shrinking *shrinking = (struct shrinking *)object;
    sqfs_destroy(shrinking->inner);
    free(shrinking);
}

static void shrinking_configuration(const sqfs_compressor_t *cmp, sqfs_compressor_config_t *config)
{
    const struct shrinking *shrinking = (const struct shrinking *)cmp;
    shrinking->inner->get_configuration(shrinking->inner, config);
}

static int shrinking_write_options(sqfs_compressor_t *cmp, sqfs_file_t *file)
{
    const struct shrinking *shrinking = (struct shrinking *)cmp;
    return shrinking->inner->write_options(shrinking->inner, file);
}

static int shrinking_read_options(sqfs_compressor_t *cmp, sqfs_file_t *file)
{
    const struct shrinking *shrinking = (struct shrinking *)cmp;
    return shrinking->inner->read_options(shrinking->inner, file);
}

static sqfs_s32 shrinking_do_block(sqfs_compressor_t *cmp, const sqfs_u8 *in, sqfs_u32 size, sqfs_u8 *out,
                                   sqfs_u32 outsize)
{
    const struct shrinking *shrinking = (struct shrinking *)cmp;
    const sqfs_s32 packed = shrinking->inner->do_block(shrinking->inner, in, size, out, outsize);
    return packed > 0 && (sqfs_u32)packed >= size ? 0 : packed;
}

static sqfs_object_t *shrinking_copy(const sqfs_object_t *object);

/* Takes `inner` over, also on failure, and then returns NULL. */
static sqfs_compressor_t *shrink_only(sqfs_compressor_t *inner)
{
    struct shrinking *shrinking = inner ? calloc(1, sizeof *shrinking) : NULL;
    if (!shrinking) {
        sqfs_destroy(inner);
        return NULL;
    }
    *shrinking = (struct shrinking){.base = {.base = {.destroy = shrinking_destroy, .copy = shrinking_copy},
                                             .get_configuration = shrinking_configuration,
                                             .write_options = shrinking_write_options,
                                             .read_options = shrinking_read_options,
                                             .do_block = shrinking_do_block},
                                    .inner = inner};
    return &shrinking->base;
}

/* libsquashfs copies a compressor for each of its threads. */
static sqfs_object_t *shrinking_copy(const sqfs_object_t *object)
{
    const struct shrinking *shrinking = (const struct shrinking *)object;
    return (sqfs_object_t *)shrink_only(sqfs_copy(shrinking->inner));
}

/* ---- making ---- */

int squashfs_compressor_make(enum squashfs_compressor compressor, uint32_t block_bytes,
                             sqfs_compressor_t **pack, sqfs_compressor_t **unpack)
{
    sqfs_compressor_config_t config;
    sqfs_compressor_t *packer = NULL;
    int code = sqfs_compressor_config_init(&config, compressors[compressor].id, block_bytes, 0);
    if (compressor == SQUASHFS_ZSTD)
        config.level = ZSTD_LEVEL;
    if (code == 0)
        code = sqfs_compressor_create(&config, &packer);
    if (code == 0 && !(*pack = shrink_only(packer)))
        code = SQFS_ERROR_ALLOC;
    config.flags |= SQFS_COMP_FLAG_UNCOMPRESS;
    return code == 0 ? sqfs_compressor_create(&config, unpack) : code;
}
