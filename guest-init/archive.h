/* A cpio archive (newc) written straight to the output device. */
#ifndef PE_GUEST_ARCHIVE_H
#define PE_GUEST_ARCHIVE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* One block of the device, the unit of every write; also how far archive_patch() reaches. */
#define ARCHIVE_BLOCK 4096u

struct archive_entry {
    const char *name;
    uint32_t mode;  /* type and permission bits as of stat(2) */
    uint32_t mtime; /* seconds since 1970 */
    uint64_t size;  /* bytes of content; 0 for a directory */
};

struct archive {
    int device;                  /* owned */
    uint64_t capacity;           /* bytes of the device */
    uint64_t flushed;            /* bytes written to the device; a multiple of ARCHIVE_BLOCK */
    uint8_t *chunk;              /* owned, aligned; what comes after them */
    size_t used;                 /* bytes of chunk in use */
    uint32_t entries;            /* so far; inode numbers */
    uint8_t head[ARCHIVE_BLOCK]; /* copy of the first block, once it is flushed */
};

/* Begin at byte 0 of a device. The caller closes the archive in either case. */
int archive_open(struct archive *archive, const char *device, struct pe_error *err) PE_MUST_CHECK;
void archive_close(struct archive *archive);
#define pe_autoarchive __attribute__((cleanup(archive_close)))

/* How much of the device an entry takes, header and padding included. */
uint64_t archive_cost(size_t name_length, uint64_t size);

/* What the archive takes at its end. */
uint64_t archive_trailer_cost(void);

/* Append an entry with `entry->size` bytes of content. PE_ERR_TOO_LARGE when the device is full. */
int archive_append(struct archive *archive, const struct archive_entry *entry, const void *bytes,
                   struct pe_error *err) PE_MUST_CHECK;

/* The same with the content of an open file; one that is shorter than `entry->size` is filled up with zeroes.
 */
int archive_append_file(struct archive *archive, const struct archive_entry *entry, int file,
                        struct pe_error *err) PE_MUST_CHECK;

/* Write the trailer and everything that is not on the device yet. */
int archive_finish(struct archive *archive, struct pe_error *err) PE_MUST_CHECK;

/* After archive_finish(): overwrite bytes within the first ARCHIVE_BLOCK. */
int archive_patch(struct archive *archive, size_t offset, const void *bytes, size_t size,
                  struct pe_error *err) PE_MUST_CHECK;

/* Where the content of the first entry starts, when its name has that length. */
size_t archive_first_content(size_t name_length);

#endif
