/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the folder of the playground. How it is served is decided in playground.c. */
#include "lb/api/static_files.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static const char *const coding_ends[CODINGS] = {"", ".gz", ".br"};

static const struct {
    const char *end;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
};

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);
    return size > tail && !strcmp(name + size - tail, end);
}

static const char *type_of(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (ends_with(name, types[i].end))
            return types[i].type;
    return NULL;
}

static int set_etag(struct static_file *file, struct pe_error *err)
{
    char hex[PE_SHA256_HEX_SIZE];
    const struct pe_buf *content = &file->content[CODING_IDENTITY];
    if (pe_sha256_hex(content->data, content->size, hex, err) < 0)
        return pe_fail_context(err, "cannot hash %s", file->path);
    snprintf(file->etag, sizeof file->etag, "%.32s", hex);
    return 0;
}

/* Read the content in one coding. Only the uncompressed file must exist. */
static int read_content(struct static_files *files, struct static_file *file, int folder, const char *name,
                        enum content_coding coding, struct pe_error *err)
{
    char full[STATIC_NAME_MAX + 8];
    snprintf(full, sizeof full, "%s%s", name, coding_ends[coding]);
    struct pe_buf *content = &file->content[coding];
    if (pe_read_file(folder, full, STATIC_FILE_BYTES_MAX, content, err) < 0)
        return coding != CODING_IDENTITY && err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
    files->bytes += content->size;
    return files->bytes <= STATIC_BYTES_MAX
               ? 0
               : pe_fail(err, PE_ERR_TOO_LARGE, "the playground has more than %d MiB",
                         STATIC_BYTES_MAX >> 20);
}

static int add_file(struct static_files *files, int folder, const char *name, const char *path,
                    struct pe_error *err)
{
    const char *type = type_of(name);
    if (!type || strlen(name) > STATIC_NAME_MAX || strspn(name, NAME_BYTES) != strlen(name))
        return pe_fail(err, PE_ERR_INVALID,
                       "the playground has a file '%.100s' whose name or type is not supported", name);
    if (files->count == STATIC_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the playground has more than %d files", STATIC_FILES_MAX);
    struct static_file *file = &files->files[files->count++];
    *file = (struct static_file){.type = type};
    snprintf(file->path, sizeof file->path, "%s", path);
    for (int coding = CODING_IDENTITY; coding < CODINGS; coding++)
        if (read_content(files, file, folder, name, (enum content_coding)coding, err) < 0)
            return -1;
    return set_etag(file, err);
}

static bool is_compressed(const char *name)
{
    return ends_with(name, coding_ends[CODING_GZIP]) || ends_with(name, coding_ends[CODING_BROTLI]);
}

static int add_assets(struct static_files *files, int folder, struct pe_error *err)
{
    int fd = openat(folder, "assets", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open assets");
    pe_autodir DIR *assets = fdopendir(fd);
    if (!assets) {
        close(fd);
        return pe_fail_errno(err, "cannot read assets");
    }
    for (struct dirent *entry; (entry = readdir(assets));) {
        char path[STATIC_NAME_MAX + 16];
        if (entry->d_name[0] == '.' || is_compressed(entry->d_name))
            continue;
        snprintf(path, sizeof path, "/assets/%.*s", STATIC_NAME_MAX, entry->d_name);
        if (add_file(files, fd, entry->d_name, path, err) < 0)
            return -1;
    }
    return 0;
}

static int by_path(const void *left, const void *right)
{
    return strcmp(((const struct static_file *)left)->path, ((const struct static_file *)right)->path);
}

static struct static_files *new_files(void)
{
    struct static_files *files = calloc(1, sizeof *files);
    if (files && (files->files = calloc(STATIC_FILES_MAX, sizeof *files->files))) {
        files->refs = 1;
        return files;
    }
    free(files);
    return NULL;
}

static void cleanup_files(struct static_files **files)
{
    static_files_unref(*files);
}

int static_files_read(struct static_files **files, const char *folder, struct pe_error *err)
{
    __attribute__((cleanup(cleanup_files))) struct static_files *read = new_files();
    pe_autoclose int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no playground in %s: run 'make playground' to make it", folder);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open the playground in %s", folder);
    if (!read)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the playground");
    if (add_file(read, fd, "index.html", "/", err) < 0 ||
        (faccessat(fd, "admin.html", F_OK, 0) == 0 && add_file(read, fd, "admin.html", "/admin", err) < 0) ||
        add_assets(read, fd, err) < 0)
        return pe_fail_context(err, "the playground in %s", folder);
    qsort(read->files, read->count, sizeof *read->files, by_path);
    static_files_unref(*files);
    *files = pe_steal_ptr(&read);
    return 0;
}

struct static_files *static_files_ref(struct static_files *files)
{
    files->refs++;
    return files;
}

void static_files_unref(struct static_files *files)
{
    if (!files || --files->refs)
        return;
    for (size_t i = 0; i < files->count; i++)
        for (int coding = 0; coding < CODINGS; coding++)
            pe_buf_free(&files->files[i].content[coding]);
    free(files->files);
    free(files);
}

const struct static_file *static_files_find(const struct static_files *files, const char *path, size_t size)
{
    struct static_file key = {0};
    if (!files || size >= sizeof key.path)
        return NULL;
    memcpy(key.path, path, size);
    key.path[size] = '\0';
    return files->count ? bsearch(&key, files->files, files->count, sizeof key, by_path) : NULL;
}
