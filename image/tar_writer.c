/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of headers is that of POSIX pax(1), "ustar Interchange Format" and "pax Interchange
 * Format". Extended attributes are SCHILY.xattr records, which GNU tar, libarchive and Go read. */
#include "image/tar_writer.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512u
#define FLUSH_BYTES (1u << 20)
#define ID_MAX 07777777u             /* seven octal digits */
#define SIZE_MAX_OCTAL 077777777777u /* eleven octal digits */

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, linkname[100];
    char magic[6], version[2], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header of ustar is a block");

void tar_writer_free(struct tar_writer *writer)
{
    pe_buf_free(&writer->bytes);
}

static int put(struct tar_writer *writer, const void *bytes, size_t size, struct pe_error *err)
{
    if (pe_buf_append(&writer->bytes, bytes, size, err) < 0)
        return -1;
    if (writer->bytes.size < FLUSH_BYTES)
        return 0;
    size = writer->bytes.size;
    writer->bytes.size = 0;
    return pe_write_all(writer->fd, writer->bytes.data, size, "the tar", err);
}

static int put_zeroes(struct tar_writer *writer, size_t size, struct pe_error *err)
{
    static const uint8_t zeroes[2 * BLOCK];
    return put(writer, zeroes, size, err);
}

/* ---- headers ---- */

/* Write a number in octal digits with leading zeroes and a NUL. */
static void set_octal(char *field, size_t size, uint64_t number)
{
    field[--size] = '\0';
    while (size > 0) {
        field[--size] = (char)('0' + (number & 7));
        number >>= 3;
    }
}

/* A field of ustar may be filled completely and then has no NUL. */
static void set_text(char *field, size_t size, const char *text)
{
    size_t length = strlen(text);
    memcpy(field, text, length < size ? length : size);
}

/* Set the name, split at a slash if it is long. Returns false if there is no room for it; then it is
 * cut. */
static bool set_name(struct header *header, const char *path)
{
    size_t size = strlen(path);
    set_text(header->name, sizeof header->name, path);
    if (size <= sizeof header->name)
        return true;
    /* The name must not be empty, so the slash of a directory does not count. */
    for (const char *slash = path + size - sizeof header->name - 1; *slash && slash[1]; slash++)
        if (*slash == '/' && slash > path) {
            if ((size_t)(slash - path) > sizeof header->prefix)
                return false;
            memset(header->name, 0, sizeof header->name);
            set_text(header->name, sizeof header->name, slash + 1);
            memcpy(header->prefix, path, (size_t)(slash - path));
            return true;
        }
    return false;
}

static int put_header(struct tar_writer *writer, struct header *header, struct pe_error *err)
{
    unsigned sum = 0;
    memcpy(header->magic, "ustar", sizeof header->magic);
    memcpy(header->version, "00", sizeof header->version);
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t i = 0; i < sizeof *header; i++)
        sum += ((const uint8_t *)header)[i];
    set_octal(header->checksum, 7, sum); /* six digits, a NUL and a space */
    return put(writer, header, sizeof *header, err);
}

static char type_of(const struct tree_inode *inode, bool linked)
{
    switch (inode->attributes.mode & S_IFMT) {
    case S_IFDIR:
        return '5';
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFIFO:
        return '6';
    case S_IFREG:
        return linked ? '1' : '0';
    default:
        return '\0';
    }
}

static void set_attributes(struct header *header, const struct tree_attributes *attributes)
{
    bool device = S_ISCHR(attributes->mode) || S_ISBLK(attributes->mode);
    set_octal(header->mode, sizeof header->mode, attributes->mode & 07777);
    set_octal(header->uid, sizeof header->uid, attributes->uid > ID_MAX ? 0 : attributes->uid);
    set_octal(header->gid, sizeof header->gid, attributes->gid > ID_MAX ? 0 : attributes->gid);
    set_octal(header->mtime, sizeof header->mtime, attributes->mtime);
    if (device) {
        uint32_t number = attributes->device;
        set_octal(header->devmajor, sizeof header->devmajor, (number >> 8) & 0xfff);
        set_octal(header->devminor, sizeof header->devminor, (number & 0xff) | ((number >> 12) & 0xfff00));
    }
}

/* ---- pax records ---- */

/* Append a record "LENGTH KEY=VALUE\n". The length counts its own digits. */
static int add_record(struct pe_buf *records, const char *key, const void *value, size_t size,
                      struct pe_error *err)
{
    size_t rest = strlen(key) + size + 3, length = rest + 1; /* space, "=" and line feed */
    for (size_t digits = 1, limit = 10; length >= limit; limit *= 10)
        length = rest + ++digits;
    if (pe_buf_printf(records, err, "%zu %s=", length, key) < 0 ||
        pe_buf_append(records, value, size, err) < 0)
        return -1;
    return pe_buf_append(records, "\n", 1, err);
}

static int add_number(struct pe_buf *records, const char *key, uint64_t number, struct pe_error *err)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return add_record(records, key, text, (size_t)size, err);
}

/* As in GNU tar, '%' and '=' of an attribute's name are written as %25 and %3D. */
static int add_xattr(struct pe_buf *records, const struct tree_xattr *xattr, struct pe_error *err)
{
    pe_autobuf struct pe_buf key = {0};
    if (pe_buf_append_text(&key, "SCHILY.xattr.", err) < 0)
        return -1;
    for (const char *at = xattr->name; *at; at++)
        if ((*at == '%' || *at == '=' ? pe_buf_append_text(&key, *at == '%' ? "%25" : "%3D", err)
                                      : pe_buf_append(&key, at, 1, err)) < 0)
            return -1;
    return pe_buf_append(&key, "", 1, err) < 0
               ? -1
               : add_record(records, (const char *)key.data, xattr->value, xattr->size, err);
}

/* Collect what the header has no room for. `path` and `link` are NULL if they fit. */
static int add_records(struct pe_buf *records, const char *path, const char *link,
                       const struct tree_inode *inode, uint64_t size, struct pe_error *err)
{
    const struct tree_attributes *attributes = &inode->attributes;
    if ((path && add_record(records, "path", path, strlen(path), err) < 0) ||
        (link && add_record(records, "linkpath", link, strlen(link), err) < 0) ||
        (attributes->uid > ID_MAX && add_number(records, "uid", attributes->uid, err) < 0) ||
        (attributes->gid > ID_MAX && add_number(records, "gid", attributes->gid, err) < 0) ||
        (size > SIZE_MAX_OCTAL && add_number(records, "size", size, err) < 0))
        return -1;
    for (size_t i = 0; i < inode->xattr_count; i++)
        if (add_xattr(records, &inode->xattrs[i], err) < 0)
            return -1;
    return 0;
}

/* Write the records as a member of their own, which belongs to the next one. */
static int put_records(struct tar_writer *writer, const struct pe_buf *records, struct pe_error *err)
{
    struct header header = {.type = 'x'};
    set_text(header.name, sizeof header.name, "PaxHeaders/next");
    set_octal(header.mode, sizeof header.mode, 0644);
    set_octal(header.uid, sizeof header.uid, 0);
    set_octal(header.gid, sizeof header.gid, 0);
    set_octal(header.mtime, sizeof header.mtime, 0);
    set_octal(header.size, sizeof header.size, records->size);
    return put_header(writer, &header, err) < 0 || put(writer, records->data, records->size, err) < 0
               ? -1
               : put_zeroes(writer, (BLOCK - records->size % BLOCK) % BLOCK, err);
}

/* ---- members ---- */

int tar_writer_add(struct tar_writer *writer, const char *path, const struct tree_inode *inode,
                   const char *link, uint64_t size, struct pe_error *err)
{
    struct header header = {.type = type_of(inode, link != NULL)};
    pe_autobuf struct pe_buf records = {0};
    if (header.type == '\0')
        return 0;
    if (header.type != '0')
        size = 0;
    bool fits = set_name(&header, path), link_fits = !link || strlen(link) <= sizeof header.linkname;
    if (link)
        set_text(header.linkname, sizeof header.linkname, link);
    set_attributes(&header, &inode->attributes);
    set_octal(header.size, sizeof header.size, size > SIZE_MAX_OCTAL ? 0 : size);
    if (add_records(&records, fits ? NULL : path, link_fits ? NULL : link, inode, size, err) < 0 ||
        (records.size > 0 && put_records(writer, &records, err) < 0) || put_header(writer, &header, err) < 0)
        return -1;
    writer->left = size;
    writer->padding = (size_t)((BLOCK - size % BLOCK) % BLOCK);
    return 0;
}

int tar_writer_append(struct tar_writer *writer, const void *bytes, size_t size, struct pe_error *err)
{
    if (size > writer->left)
        return pe_fail(err, PE_ERR_INTERNAL, "a file of the tar has more bytes than its header says");
    writer->left -= size;
    if (put(writer, bytes, size, err) < 0)
        return -1;
    return writer->left > 0 ? 0 : put_zeroes(writer, writer->padding, err);
}

int tar_writer_finish(struct tar_writer *writer, struct pe_error *err)
{
    if (put_zeroes(writer, 2 * BLOCK, err) < 0)
        return -1;
    return pe_write_all(writer->fd, writer->bytes.data, writer->bytes.size, "the tar", err);
}
