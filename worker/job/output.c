/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of a guest's cpio, which is hostile input: it becomes a result and a list of parts, or is
 * refused.
 */
#include "worker/job/output.h"

#include "proto/limits.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define RESULT_BYTES_MAX 65536u

struct reader {
    const struct output_limits *limits;
    struct archive *archive;
    struct output *output;
    size_t streams; /* parts in front of the files */
};

static int refuse(struct pe_error *err, const char *what)
{
    (void)pe_fail(err, PE_ERR_MALFORMED, "the output of the guest is invalid: %s", what);
    return -1;
}

/* ---- checking the headers ---- */

/* The format "newc" (cpio(5)): a header of 110 characters, of which these are read, then the name
 * with its NUL, then the data. Name and data are each followed by NULs up to a multiple of 4. */
enum { HEADER = 110, FILE_SIZE_AT = 54, NAME_SIZE_AT = 94, NAME_SIZE_MAX = PE_PATH_MAX + sizeof "dir/" };

static const char trailer[] = "TRAILER!!!";

/* Parse eight hexadecimal digits. Returns a number above every limit if they are something else. */
static uint32_t read_number(const uint8_t *digits)
{
    uint32_t value = 0;
    for (int i = 0; i < 8; i++) {
        unsigned letter = (digits[i] | 0x20u) - 'a', digit = digits[i] - (unsigned)'0';
        if (digit > 9 && letter > 5)
            return UINT32_MAX;
        value = value << 4 | (digit <= 9 ? digit : letter + 10);
    }
    return value;
}

/* Check all headers before libarchive reads them: libarchive allocates as many bytes for a name as
 * the header says, up to 4 GiB, and searches for the next header after a broken one. */
static int check_headers(const void *cpio, size_t size, struct pe_error *err)
{
    struct pe_cursor cursor = {.at = cpio, .left = size};
    for (;;) {
        const uint8_t *header = pe_cursor_read(&cursor, HEADER);
        if (!header || memcmp(header, "070701", 6) != 0)
            return refuse(err, "it is not a cpio archive");
        size_t name_size = read_number(header + NAME_SIZE_AT), file_size = read_number(header + FILE_SIZE_AT);
        if (name_size < 2 || name_size > NAME_SIZE_MAX || file_size > PE_OUTPUT_BYTES_MAX)
            return refuse(err, "an entry has no name, or an impossible size");
        size_t name_padding = -(HEADER + name_size) & 3, file_padding = -file_size & 3;
        const uint8_t *name = pe_cursor_read(&cursor, name_size);
        if (!name || name[name_size - 1] != '\0' || !pe_cursor_read(&cursor, name_padding))
            return refuse(err, "an entry's name is cut short");
        if (name_size == sizeof trailer && !memcmp(name, trailer, sizeof trailer))
            return 0;
        if (!pe_cursor_read(&cursor, file_size + file_padding))
            return refuse(err, "an entry is cut short");
    }
}

/* ---- the archive ---- */

static void archive_close_and_free(struct archive **archive)
{
    archive_read_free(*archive);
}

/* Append the bytes of the current entry to `out`: exactly `size`, as its header says. */
static int read_data(struct archive *archive, size_t size, struct pe_buf *out, struct pe_error *err)
{
    if (pe_buf_reserve(out, size, err) < 0)
        return -1;
    size_t got = 0;
    while (got < size) {
        la_ssize_t n = archive_read_data(archive, out->data + out->size, size - got);
        if (n <= 0)
            return refuse(err, "an entry is cut short");
        out->size += (size_t)n;
        got += (size_t)n;
    }
    return 0;
}

/* What the header of an entry says. */
struct entry {
    const char *name; /* of libarchive; valid until the next entry is read */
    size_t size;
    mode_t mode;
    uint32_t mtime;
};

/* Read the next entry. Returns 1, or 0 at the end. Checks the form of name and size, not their
 * meaning. */
static int next_entry(struct reader *reader, struct entry *entry, struct pe_error *err)
{
    struct archive_entry *read = NULL;
    int code = archive_read_next_header(reader->archive, &read);
    if (code == ARCHIVE_EOF)
        return 0;
    if (code != ARCHIVE_OK)
        return refuse(err, "it is not a cpio archive");
    la_int64_t bytes = archive_entry_size(read);
    *entry = (struct entry){.name = archive_entry_pathname(read),
                            .size = (size_t)bytes,
                            .mode = archive_entry_mode(read),
                            .mtime = (uint32_t)archive_entry_mtime(read)}; /* newc has 32 bits */
    if (!entry->name || bytes < 0 || bytes > PE_OUTPUT_BYTES_MAX || archive_entry_hardlink(read))
        return refuse(err, "an entry has no name, a hard link or an impossible size");
    return 1;
}

static int expect_entry(struct reader *reader, const char *wanted, size_t limit, size_t *size,
                        struct pe_error *err)
{
    struct entry entry;
    int got = next_entry(reader, &entry, err);
    if (got < 0)
        return -1;
    if (!got || strcmp(entry.name, wanted) != 0 || !S_ISREG(entry.mode) || entry.size > limit)
        return pe_fail(err, PE_ERR_MALFORMED,
                       "the output of the guest is invalid: there is no '%s' of at most %zu bytes "
                       "where it must be",
                       wanted, limit);
    *size = entry.size;
    return 0;
}

static int read_result(struct reader *reader, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    size_t size = 0;
    if (expect_entry(reader, "result", RESULT_BYTES_MAX, &size, err) < 0 ||
        read_data(reader->archive, size, &text, err) < 0)
        return -1;
    if (pe_result_from_flat(text.data, text.size, &reader->output->result, err) < 0)
        return pe_fail_context(err, "the result of the guest is invalid");
    return 0;
}

static int read_stream(struct reader *reader, const char *name, enum pe_part_kind kind, size_t limit,
                       struct pe_error *err)
{
    size_t size = 0;
    if (expect_entry(reader, name, limit, &size, err) < 0 ||
        pe_parts_add(&reader->output->parts, kind, NULL, size, 0, err) < 0)
        return -1;
    return read_data(reader->archive, size, &reader->output->bytes, err);
}

/* Read the entry behind stderr, if it is the combined stream: returns 1. Any other entry is read by
 * the caller: 0. */
static int read_combined(struct reader *reader, const struct entry *entry, struct pe_error *err)
{
    struct output *output = reader->output;
    if (output->parts.count != 2 || strcmp(entry->name, "combined") != 0)
        return 0;
    if (!S_ISREG(entry->mode) || entry->size > reader->limits->stdout_max + reader->limits->stderr_max)
        return refuse(err, "the combined stream is not a file, or larger than both streams together");
    if (pe_parts_add(&output->parts, PE_PART_COMBINED, NULL, entry->size, 0, err) < 0 ||
        read_data(reader->archive, entry->size, &output->bytes, err) < 0)
        return -1;
    reader->streams++;
    return 1;
}

/* Add a file or a folder to the parts. */
static int add_part(struct reader *reader, const struct entry *entry, const struct pe_path *path,
                    struct pe_error *err)
{
    struct pe_parts *parts = &reader->output->parts;
    enum pe_part_kind kind = S_ISDIR(entry->mode) ? PE_PART_FOLDER : PE_PART_FILE;
    /* Strict order also means that no name occurs twice. */
    const struct pe_part *last = &parts->items[parts->count - 1];
    if (parts->count > reader->streams && strcmp(last->path.text, path->text) >= 0)
        return refuse(err, "its files are not in order");
    if (pe_parts_add(parts, kind, path, entry->size, entry->mode & 0777, err) < 0)
        return -1;
    parts->items[parts->count - 1].mtime = entry->mtime;
    return 0;
}

static int read_file(struct reader *reader, const struct entry *entry, struct pe_error *err)
{
    struct output *output = reader->output;
    struct pe_path path;
    const char *name = entry->name;
    if (strncmp(name, "dir/", 4) != 0 || pe_path_parse(name + 4, strlen(name + 4), 0, &path, err) < 0)
        return refuse(err, "an entry's path is not allowed");
    if (!S_ISREG(entry->mode) && !S_ISDIR(entry->mode))
        return refuse(err, "an entry is neither a file nor a directory");
    if (S_ISDIR(entry->mode) && entry->size > 0)
        return refuse(err, "a directory has bytes");
    if (output->parts.count >= PE_OUTPUT_FILES_MAX + reader->streams ||
        entry->size > PE_OUTPUT_BYTES_MAX - output->bytes.size)
        return refuse(err, "more files or bytes than allowed");
    if (add_part(reader, entry, &path, err) < 0)
        return -1;
    return read_data(reader->archive, entry->size, &output->bytes, err);
}

static int read_files(struct reader *reader, struct pe_error *err)
{
    struct entry entry;
    int got = 0;
    while ((got = next_entry(reader, &entry, err)) > 0) {
        int combined = read_combined(reader, &entry, err);
        if (combined < 0 || (!combined && read_file(reader, &entry, err) < 0))
            return -1;
    }
    return got;
}

int output_read(const void *cpio, size_t size, const struct output_limits *limits, struct output *output,
                struct pe_error *err)
{
    *output = (struct output){.bytes = {.limit = PE_OUTPUT_BYTES_MAX}};
    if (check_headers(cpio, size, err) < 0)
        return -1;
    __attribute__((cleanup(archive_close_and_free))) struct archive *archive = archive_read_new();
    if (!archive || archive_read_support_format_cpio(archive) != ARCHIVE_OK ||
        archive_read_open_memory(archive, cpio, size) != ARCHIVE_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "libarchive: %s",
                       archive ? archive_error_string(archive) : "out of memory");
    struct reader reader = {.archive = archive, .output = output, .limits = limits, .streams = 2};
    if (read_result(&reader, err) < 0 ||
        read_stream(&reader, "stdout", PE_PART_STDOUT, limits->stdout_max, err) < 0 ||
        read_stream(&reader, "stderr", PE_PART_STDERR, limits->stderr_max, err) < 0)
        return -1;
    return read_files(&reader, err);
}

void output_free(struct output *output)
{
    pe_parts_free(&output->parts);
    pe_buf_free(&output->bytes);
    *output = (struct output){0};
}
