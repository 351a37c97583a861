/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting the files of a job. Only standard input is read here; cli/http.c reads the other files
 * when it sends them. */
#include "cli/files.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void input_files_clear(struct input_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].name);
        free(files->items[i].path);
        pe_buf_free(&files->items[i].content);
    }
    free(files->items);
    *files = (struct input_files){.standard_input = files->standard_input,
                                  .has_standard_input = files->has_standard_input};
}

void input_files_free(struct input_files *files)
{
    input_files_clear(files);
    pe_buf_free(&files->standard_input);
    *files = (struct input_files){0};
}

static int check_limits(const struct input_files *files, struct pe_error *err)
{
    if (files->count > PE_INPUT_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "a job may have at most %u input files", PE_INPUT_FILES_MAX);
    if (files->bytes > PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the input files of a job may have at most %u MiB together",
                       PE_INPUT_BYTES_MAX / PE_MIB);
    return 0;
}

const struct input_file *input_files_find(const struct input_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->items[i].name, name))
            return &files->items[i];
    return NULL;
}

const struct pe_buf *input_file_bytes(const struct input_files *files, const struct input_file *file)
{
    return file->has_content ? &file->content : &files->standard_input;
}

static int add_item(struct input_files *files, const char *name, const char *path, uint64_t size,
                    struct pe_error *err)
{
    struct pe_path checked;
    if (pe_path_parse(name, strlen(name), 1, &checked, err) < 0)
        return -1;
    struct input_file *items = reallocarray(files->items, files->count + 1, sizeof *items);
    if (!items)
        return pe_fail_errno(err, "out of memory for the list of files");
    files->items = items;
    struct input_file *item = &items[files->count];
    *item = (struct input_file){.name = strdup(name), .path = path ? strdup(path) : NULL, .size = size};
    files->count++;
    files->bytes += size;
    if (!item->name || (path && !item->path))
        return pe_fail_errno(err, "out of memory for the list of files");
    return check_limits(files, err);
}

/* "front/name", or "name" when `front` is empty. NULL on failure. */
static char *join(const char *front, const char *name, struct pe_error *err)
{
    char *joined = NULL;
    if (asprintf(&joined, "%s%s%s", front, *front ? "/" : "", name) >= 0)
        return joined;
    pe_fail_errno(err, "out of memory for the list of files");
    return NULL;
}

static int add_directory(struct input_files *files, const char *prefix, const char *path,
                         struct pe_error *err);

static int add_found(struct input_files *files, const char *name, const char *path, struct pe_error *err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    if (S_ISDIR(info.st_mode))
        return add_directory(files, name, path, err);
    if (S_ISREG(info.st_mode))
        return add_item(files, name, path, (uint64_t)info.st_size, err);
    /* The target of a link may be anywhere on this machine. Only files that the user named are
     * sent. */
    fprintf(stderr, "pe-run: %s is a %s and was not sent\n", path,
            S_ISLNK(info.st_mode) ? "symbolic link" : "special file");
    return 0;
}

static int is_no_dot(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int add_directory(struct input_files *files, const char *prefix, const char *path,
                         struct pe_error *err)
{
    struct dirent **found = NULL;
    int count = scandir(path, &found, is_no_dot, by_bytes);
    if (count < 0)
        return pe_fail_errno(err, "cannot read directory %s", path);
    int result = 0;
    for (int i = 0; i < count; i++) {
        pe_autofree struct dirent *entry = found[i];
        if (result < 0)
            continue;
        pe_autofree char *name = join(prefix, entry->d_name, err);
        pe_autofree char *below = join(path, entry->d_name, err);
        result = name && below ? add_found(files, name, below, err) : -1;
    }
    free(found);
    return result;
}

char *input_files_base_name(const char *path, struct pe_error *err)
{
    size_t end = strlen(path);
    while (end && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && path[start - 1] != '/')
        start--;
    char *name = strndup(path + start, end - start);
    if (!name)
        pe_fail_errno(err, "out of memory for %s", path);
    else if (!strcmp(name, ".") || !strcmp(name, ".."))
        name[0] = '\0';
    return name;
}

int input_files_add(struct input_files *files, const char *path, struct pe_error *err)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    pe_autofree char *name = input_files_base_name(path, err);
    if (!name)
        return -1;
    if (S_ISDIR(info.st_mode))
        return add_directory(files, name, path, err);
    if (S_ISREG(info.st_mode))
        return add_item(files, name, path, (uint64_t)info.st_size, err);
    return pe_fail(err, PE_ERR_INVALID, "%s is neither a regular file nor a directory", path);
}

int input_files_add_as(struct input_files *files, const char *name, const char *path, struct pe_error *err)
{
    struct stat info;
    if (stat(path, &info) < 0)
        return pe_fail_errno(err, "cannot read %s", path);
    if (!S_ISREG(info.st_mode))
        return pe_fail(err, PE_ERR_INVALID, "%s is not a regular file", path);
    return add_item(files, name, path, (uint64_t)info.st_size, err);
}

int input_files_add_content(struct input_files *files, const char *name, struct pe_buf *content,
                            struct pe_error *err)
{
    if (add_item(files, name, NULL, content->size, err) < 0)
        return -1;
    struct input_file *file = &files->items[files->count - 1];
    file->has_content = true;
    file->content = *content;
    *content = (struct pe_buf){0};
    return 0;
}

/* ---- standard input ---- */

static int set_own_stdin(struct input_files *files, struct pe_error *err)
{
    char name[32] = ".stdin";
    for (unsigned n = 2; input_files_find(files, name); n++)
        snprintf(name, sizeof name, ".stdin-%u", n);
    if (!files->has_standard_input &&
        pe_read_all(STDIN_FILENO, PE_INPUT_BYTES_MAX, &files->standard_input, "standard input", err) < 0)
        return -1;
    files->has_standard_input = true;
    return add_item(files, name, NULL, files->standard_input.size, err);
}

int input_files_set_stdin(struct input_files *files, const char *path, struct pe_error *err)
{
    if (!strcmp(path, "-")) {
        if (set_own_stdin(files, err) < 0)
            return -1;
        files->stdin_name = files->items[files->count - 1].name;
        return 0;
    }
    struct stat info;
    if (stat(path, &info) < 0)
        return pe_fail_errno(err, "cannot read --stdin %s", path);
    if (!S_ISREG(info.st_mode))
        return pe_fail(err, PE_ERR_INVALID, "--stdin %s is not a regular file", path);
    for (size_t i = 0; i < files->count; i++) {
        struct stat other;
        if (files->items[i].path && stat(files->items[i].path, &other) == 0 && other.st_dev == info.st_dev &&
            other.st_ino == info.st_ino) {
            files->stdin_name = files->items[i].name;
            return 0;
        }
    }
    pe_autofree char *name = input_files_base_name(path, err);
    if (!name || add_item(files, name, path, (uint64_t)info.st_size, err) < 0)
        return -1;
    files->stdin_name = files->items[files->count - 1].name;
    return 0;
}

/* ---- duplicate names ---- */

static int by_name(const void *left, const void *right)
{
    const struct input_file *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* Where the bytes of a file are. */
static const char *describe(const struct input_file *file)
{
    return file->path ? file->path : file->has_content ? "a file of the job" : "standard input";
}

int input_files_check(const struct input_files *files, struct pe_error *err)
{
    pe_autofree const struct input_file **sorted = calloc(files->count + 1, sizeof *sorted);
    if (!sorted)
        return pe_fail_errno(err, "out of memory for the list of files");
    for (size_t i = 0; i < files->count; i++)
        sorted[i] = &files->items[i];
    qsort(sorted, files->count, sizeof *sorted, by_name);
    for (size_t i = 1; i < files->count; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            return pe_fail(err, PE_ERR_INVALID,
                           "%s and %s would both be called '%s' in the job; rename one of them",
                           describe(sorted[i - 1]), describe(sorted[i]), sorted[i]->name);
    return 0;
}
