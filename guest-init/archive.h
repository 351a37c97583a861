/* SPDX-License-Identifier: Apache-2.0 */
/* A cpio archive (newc) written straight to the output device. */
#ifndef PE_GUEST_INIT_ARCHIVE_H
#define PE_GUEST_INIT_ARCHIVE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of a block of the device. Every write has whole blocks, and archive_patch() reaches the
 * first one. */
#define ARCHIVE_BLOCK 4096u

struct archive_entry {
    const char *name;
    uint32_t mode;  /* type and permission bits as of stat(2) */
    uint32_t mtime; /* seconds since 1970 */
    uint64_t size;  /* bytes of content; 0 for a directory */
};

struct archive {
    int device;        /* owned */
    uint64_t capacity; /* bytes of the device */
    uint64_t flushed;  /* bytes written to the device, a multiple of ARCHIVE_BLOCK */
    uint8_t *chunk;    /* aligned; the bytes that follow them. Owned, unless it is the static block */
    size_t size, used; /* bytes of chunk, and of those in use */
    uint32_t entries;  /* number of entries, which are their inode numbers */
    uint8_t head[ARCHIVE_BLOCK]; /* copy of the first block after it was written */
};

/* Touch the memory of a small archive, long before there is one. */
void archive_prepare(void);

/* Begin an archive at byte 0 of a device. Only one is open at a time. The caller closes the archive, also
 * after a failure. PE_ERR_INTERNAL names the device. */
int archive_open(struct archive *archive, const char *device, struct pe_error *err) PE_MUST_CHECK;

/* Close the device and free the memory. What was not written by archive_finish() is lost. */
void archive_close(struct archive *archive);
#define pe_autoarchive __attribute__((cleanup(archive_close)))

/* Bytes of the device that an entry needs, with header and padding. */
uint64_t archive_cost(size_t name_length, uint64_t size);

/* Bytes of the device that the end of the archive needs. */
uint64_t archive_trailer_cost(void);

/* Append an entry with `entry->size` bytes of content. PE_ERR_TOO_LARGE if the device is full,
 * PE_ERR_INTERNAL if it cannot be written. */
int archive_append(struct archive *archive, const struct archive_entry *entry, const void *bytes,
                   struct pe_error *err) PE_MUST_CHECK;

/* The same with the content of an open file, which is read from its offset. If the file is shorter than
 * `entry->size`, zeros follow. PE_ERR_INTERNAL if it cannot be read. */
int archive_append_file(struct archive *archive, const struct archive_entry *entry, int file,
                        struct pe_error *err) PE_MUST_CHECK;

/* Append the trailer and write everything that is not on the device yet. Errors are those of
 * archive_append(). */
int archive_finish(struct archive *archive, struct pe_error *err) PE_MUST_CHECK;

/* Overwrite bytes of the first block that were appended before. PE_ERR_INVALID beyond it. */
int archive_patch(struct archive *archive, size_t offset, const void *bytes, size_t size,
                  struct pe_error *err) PE_MUST_CHECK;

/* The offset of the first entry's content, whose name has this length. */
size_t archive_first_content(size_t name_length);

#endif
