/* SPDX-License-Identifier: Apache-2.0 */
/* Writing cpio archives in the format newc (cpio(5), "New ASCII Format") with O_DIRECT. Bytes are
 * copied once, from the chunk to the memory of the device, without the guest's page cache. Nothing
 * needs a flush after such a write, and an fsync(2) would make the host write the shared file to
 * its disk.
 *
 * An archive of one block, as of most jobs, is written at once from a static block. A larger chunk costs
 * system calls and page faults, which are expensive where another process emulates them. */
#include "guest-init/archive.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define HEADER_SIZE 110u
#define ALIGN 4u /* of headers with their names, and of contents */
#define CHUNK_SIZE (256u * 1024u)
#define TRAILER "TRAILER!!!"

static uint8_t static_block[ARCHIVE_BLOCK] __attribute__((aligned(ARCHIVE_BLOCK)));

void archive_prepare(void)
{
    *(volatile uint8_t *)static_block = 0;
}

static uint64_t align_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

size_t archive_first_content(size_t name_length)
{
    return (size_t)align_up(HEADER_SIZE + name_length + 1, ALIGN);
}

uint64_t archive_cost(size_t name_length, uint64_t size)
{
    return archive_first_content(name_length) + align_up(size, ALIGN);
}

uint64_t archive_trailer_cost(void)
{
    return archive_cost(sizeof TRAILER - 1, 0) + ARCHIVE_BLOCK; /* the last block is padded */
}

int archive_open(struct archive *archive, const char *device, struct pe_error *err)
{
    *archive = (struct archive){.device = open(device, O_WRONLY | O_DIRECT | O_CLOEXEC),
                                .chunk = static_block,
                                .size = sizeof static_block};
    if (archive->device < 0)
        return pe_fail_errno(err, "cannot open %s", device);
    if (ioctl(archive->device, BLKGETSIZE64, &archive->capacity) < 0)
        return pe_fail_errno(err, "cannot find out the size of %s", device);
    return 0;
}

void archive_close(struct archive *archive)
{
    pe_cleanup_close(&archive->device);
    if (archive->chunk != static_block)
        free(archive->chunk);
}

static int write_blocks(struct archive *archive, const uint8_t *bytes, size_t size, uint64_t offset,
                        struct pe_error *err)
{
    while (size) {
        ssize_t n = pwrite(archive->device, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pe_fail_errno(err, "cannot write to the output device at byte %llu",
                                 (unsigned long long)offset);
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Write the chunk, which consists of whole blocks. */
static int flush_chunk(struct archive *archive, struct pe_error *err)
{
    if (archive->used > archive->capacity - archive->flushed)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the output device is full");
    if (archive->flushed == 0)
        memcpy(archive->head, archive->chunk, sizeof archive->head);
    if (write_blocks(archive, archive->chunk, archive->used, archive->flushed, err) < 0)
        return -1;
    archive->flushed += archive->used;
    archive->used = 0;
    return 0;
}

/* Go on with a chunk in the place of the static block. */
static int enlarge(struct archive *archive, struct pe_error *err)
{
    uint8_t *chunk = aligned_alloc(ARCHIVE_BLOCK, CHUNK_SIZE);
    if (!chunk)
        return pe_fail_errno(err, "out of memory for %u bytes", CHUNK_SIZE);
    memcpy(chunk, archive->chunk, archive->used);
    archive->chunk = chunk;
    archive->size = CHUNK_SIZE;
    return 0;
}

/* Have room for at least one more byte in the chunk. */
static int make_room(struct archive *archive, struct pe_error *err)
{
    if (archive->used < archive->size)
        return 0;
    return archive->size < CHUNK_SIZE ? enlarge(archive, err) : flush_chunk(archive, err);
}

static int append(struct archive *archive, const void *bytes, size_t size, struct pe_error *err)
{
    const uint8_t *at = bytes;
    while (size) {
        if (make_room(archive, err) < 0)
            return -1;
        size_t room = archive->size - archive->used;
        size_t n = size < room ? size : room;
        memcpy(archive->chunk + archive->used, at, n);
        archive->used += n;
        at += n;
        size -= n;
    }
    return 0;
}

/* Append zeros up to the next multiple of `unit` in the archive. */
static int pad(struct archive *archive, uint64_t unit, struct pe_error *err)
{
    static const uint8_t zeroes[ARCHIVE_BLOCK];
    uint64_t at = archive->flushed + archive->used;
    return append(archive, zeroes, (size_t)(align_up(at, unit) - at), err);
}

static int append_header(struct archive *archive, const struct archive_entry *entry, struct pe_error *err)
{
    char header[HEADER_SIZE + 1];
    size_t name_size = strlen(entry->name) + 1;
    if (entry->size > archive->capacity)
        return pe_fail(err, PE_ERR_TOO_LARGE, "an output of %llu bytes does not fit into the output device",
                       (unsigned long long)entry->size);
    unsigned links = S_ISDIR(entry->mode) ? 2 : 1;
    /* magic, inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name size,
     * checksum */
    snprintf(header, sizeof header, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
             ++archive->entries, entry->mode, 0u, 0u, links, entry->mtime, (unsigned)entry->size, 0u, 0u, 0u,
             0u, (unsigned)name_size, 0u);
    if (append(archive, header, HEADER_SIZE, err) < 0 || append(archive, entry->name, name_size, err) < 0)
        return -1;
    return pad(archive, ALIGN, err);
}

int archive_append(struct archive *archive, const struct archive_entry *entry, const void *bytes,
                   struct pe_error *err)
{
    if (append_header(archive, entry, err) < 0 || append(archive, bytes, (size_t)entry->size, err) < 0)
        return -1;
    return pad(archive, ALIGN, err);
}

/* Read up to `size` bytes of a file into the free part of the chunk. After the end of the file,
 * write zeros. */
static ssize_t fill_from_file(struct archive *archive, int file, size_t size, struct pe_error *err)
{
    uint8_t *free_part = archive->chunk + archive->used;
    ssize_t n = -1;
    do
        n = read(file, free_part, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return pe_fail_errno(err, "cannot read an output file");
    if (n > 0)
        return n;
    memset(free_part, 0, size);
    return (ssize_t)size;
}

int archive_append_file(struct archive *archive, const struct archive_entry *entry, int file,
                        struct pe_error *err)
{
    if (append_header(archive, entry, err) < 0)
        return -1;
    for (uint64_t left = entry->size; left;) {
        if (make_room(archive, err) < 0)
            return -1;
        size_t room = archive->size - archive->used;
        ssize_t n = fill_from_file(archive, file, left < room ? (size_t)left : room, err);
        if (n < 0)
            return -1;
        archive->used += (size_t)n;
        left -= (uint64_t)n;
    }
    return pad(archive, ALIGN, err);
}

int archive_finish(struct archive *archive, struct pe_error *err)
{
    static const struct archive_entry trailer = {.name = TRAILER};
    if (archive_append(archive, &trailer, "", err) < 0 || pad(archive, ARCHIVE_BLOCK, err) < 0)
        return -1;
    return flush_chunk(archive, err);
}

int archive_patch(struct archive *archive, size_t offset, const void *bytes, size_t size,
                  struct pe_error *err)
{
    if (offset > ARCHIVE_BLOCK || size > ARCHIVE_BLOCK - offset)
        return pe_fail(err, PE_ERR_INVALID, "cannot change the archive behind its first block");
    if (archive->flushed == 0) {
        memcpy(archive->chunk + offset, bytes, size);
        return 0;
    }
    memcpy(archive->head + offset, bytes, size);
    memcpy(static_block, archive->head, ARCHIVE_BLOCK); /* which is aligned, as O_DIRECT requires */
    return write_blocks(archive, static_block, ARCHIVE_BLOCK, 0, err);
}
