/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a job file to the job and its files. The kernel resolves the names of files beneath the
 * directory of the job file: openat2(2), Linux 5.6. */
#include "cli/job_file.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/base64.h"
#include "codec/json_reader.h"
#include "proto/job_spec.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Base64 takes four bytes for three. */
#define JOB_FILE_BYTES_MAX (PE_INPUT_BYTES_MAX / 3 * 4 + 4 * PE_MIB)

static bool is_own_input(const char *path)
{
    return !strcmp(path, "-");
}

/* ---- the text ---- */

static json_t *read_object(const char *path, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    json_error_t fault;
    int failed = is_own_input(path)
                     ? pe_read_all(STDIN_FILENO, JOB_FILE_BYTES_MAX, &text, "standard input", err)
                     : pe_read_file(AT_FDCWD, path, JOB_FILE_BYTES_MAX, &text, err);
    if (failed) {
        pe_fail_context(err, "--job");
        return NULL;
    }
    const struct pe_cursor json = pe_json_behind_mark(text.size ? (const char *)text.data : "", text.size);
    json_t *job =
        json_loadb((const char *)json.at, json.left, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &fault);
    if (!job)
        pe_fail(err, PE_ERR_INVALID, "--job %s is not JSON: line %d: %s", path, fault.line, fault.text);
    else if (!json_is_object(job))
        pe_fail(err, PE_ERR_INVALID, "--job %s is not a JSON object", path);
    else
        return job;
    json_decref(job);
    return NULL;
}

/* ---- files in the text ---- */

/* "text" or {"base64": "…"}, as in a JSON body of POST /v1/run. */
static int decode_content(const json_t *value, struct pe_buf *content, struct pe_error *err)
{
    const json_t *base64 = json_object_get(value, "base64");
    if (json_is_string(value))
        return pe_buf_append(content, json_string_value(value), json_string_length(value), err);
    if (!json_is_string(base64) || json_object_size(value) != 1)
        return pe_fail(err, PE_ERR_INVALID, "it is neither a string nor {\"base64\": \"…\"}");
    size_t size = 0;
    pe_autofree uint8_t *bytes =
        pe_base64_decode(json_string_value(base64), json_string_length(base64), &size, err);
    return bytes ? pe_buf_append(content, bytes, size, err) : -1;
}

static int add_own_file(struct input_files *files, const char *name, const json_t *value,
                        struct pe_error *err)
{
    pe_autobuf struct pe_buf content = {0};
    if (decode_content(value, &content, err) < 0 || input_files_add_content(files, name, &content, err) < 0)
        return pe_fail_context(err, "file '%s' of the job", name);
    return 0;
}

static int take_own_files(json_t *job, struct input_files *files, struct pe_error *err)
{
    const char *name = NULL;
    json_t *value = NULL, *own = json_object_get(job, "files");
    if (!own)
        return 0;
    if (!json_is_object(own))
        return pe_fail(err, PE_ERR_INVALID, "field 'files' is not an object");
    json_object_foreach(own, name, value)
    {
        if (add_own_file(files, name, value, err) < 0)
            return -1;
    }
    return json_object_del(job, "files");
}

/* ---- files that it names ---- */

struct directory {
    const char *path; /* for messages */
    int fd;
    struct input_files *files;
};

static int open_beneath(int root, const char *path)
{
    /* O_NONBLOCK: a FIFO without a writer must not be waited for. */
    struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static int cannot_open(const struct directory *directory, const char *name, struct pe_error *err)
{
    if (errno == ENOENT)
        return pe_fail(err, PE_ERR_INVALID,
                       "the job names the file '%s', which is neither among the files that were given nor in "
                       "%s",
                       name, directory->path);
    if (errno == EXDEV)
        return pe_fail(err, PE_ERR_INVALID, "the file '%s' of the job is outside of %s", name,
                       directory->path);
    pe_fail_errno(err, "cannot read the file '%s' of the job in %s", name, directory->path);
    err->kind = PE_ERR_INVALID;
    return -1;
}

/* The bytes are read here, because the path could lead elsewhere when the job is sent. */
static int add_named(const struct directory *directory, const char *name, struct pe_error *err)
{
    struct stat info;
    struct pe_path checked;
    pe_autobuf struct pe_buf content = {0};
    if (input_files_find(directory->files, name))
        return 0;
    if (pe_path_parse(name, strlen(name), 1, &checked, err) < 0)
        return pe_fail_context(err, "a file that the job names");
    pe_autoclose int fd = open_beneath(directory->fd, checked.text);
    if (fd < 0)
        return cannot_open(directory, name, err);
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        return pe_fail(err, PE_ERR_INVALID, "the file '%s' of the job is not a regular file in %s", name,
                       directory->path);
    if (pe_read_all(fd, PE_INPUT_BYTES_MAX, &content, name, err) < 0)
        return -1;
    return input_files_add_content(directory->files, name, &content, err);
}

/* What has another form is refused by the service. */
static int add_named_by(const struct directory *directory, const json_t *list, struct pe_error *err)
{
    static const char *const members[] = {"stdin", "expect"};
    size_t at = 0;
    const json_t *item = NULL;
    json_array_foreach(list, at, item)
    {
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            const json_t *file = json_object_get(json_object_get(item, members[i]), "file");
            if (json_is_string(file) && add_named(directory, json_string_value(file), err) < 0)
                return -1;
        }
    }
    return 0;
}

static int add_named_files(const char *path, const json_t *job, struct input_files *files,
                           struct pe_error *err)
{
    const char *slash = is_own_input(path) ? NULL : strrchr(path, '/');
    pe_autofree char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!directory)
        return pe_fail_errno(err, "out of memory for %s", path);
    pe_autoclose int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open the directory %s", directory);
    const struct directory beside = {
        .path = slash ? directory : "the current directory", .fd = fd, .files = files};
    if (add_named_by(&beside, json_object_get(job, "stages"), err) < 0)
        return -1;
    return add_named_by(&beside, json_object_get(job, "cases"), err);
}

json_t *job_file_read(const char *path, struct input_files *files, struct pe_error *err)
{
    pe_autojson json_t *job = read_object(path, err);
    if (!job || take_own_files(job, files, err) < 0 || add_named_files(path, job, files, err) < 0)
        return NULL;
    return pe_steal_ptr(&job);
}
