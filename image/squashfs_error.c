/* SPDX-License-Identifier: Apache-2.0 */
/* From libsquashfs' error numbers to messages. */
#include "image/squashfs_error.h"

#include <sqfs/error.h>

static const char *describe(int code)
{
    switch (code) {
    case SQFS_ERROR_ALLOC:
        return "out of memory";
    case SQFS_ERROR_IO:
        return "the file cannot be read or written (is the disk full?)";
    case SQFS_ERROR_COMPRESSOR:
        return "compression failed";
    case SQFS_ERROR_UNSUPPORTED:
        return "this libsquashfs was built without its compressor, or the file uses a feature that it does "
               "not have";
    case SQFS_ERROR_OVERFLOW:
        return "a number is too large for the format";
    case SQFS_ERROR_CORRUPTED:
    case SFQS_ERROR_SUPER_MAGIC:
    case SFQS_ERROR_SUPER_VERSION:
    case SQFS_ERROR_SUPER_BLOCK_SIZE:
    case SQFS_ERROR_OUT_OF_BOUNDS:
        return "the squashfs file is damaged; `pe-image verify` checks all images of a store";
    default:
        return "libsquashfs failed";
    }
}

static enum pe_error_kind kind_of(int code)
{
    switch (code) {
    case SQFS_ERROR_ALLOC:
    case SQFS_ERROR_IO:
    case SQFS_ERROR_COMPRESSOR:
    case SQFS_ERROR_UNSUPPORTED:
    case SQFS_ERROR_OVERFLOW:
        return PE_ERR_INTERNAL;
    default:
        return PE_ERR_MALFORMED;
    }
}

int squashfs_fail(const char *path, int code, const char *what, struct pe_error *err)
{
    return pe_fail(err, kind_of(code), "%s: cannot %s: %s (libsquashfs error %d)", path, what, describe(code),
                   code);
}

int squashfs_reject(const char *path, const char *why, struct pe_error *err)
{
    return pe_fail(
        err, PE_ERR_MALFORMED,
        "%s is damaged, or was made to do harm: it %s; `pe-image verify` checks whether it is still "
        "what was imported",
        path, why);
}
