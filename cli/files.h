/* SPDX-License-Identifier: Apache-2.0 */
/* The input files of a job: where they are on this machine, and their names in the job. */
#ifndef PE_CLI_FILES_H
#define PE_CLI_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_file {
    char *name;            /* in the job; a relative path that pe_path_parse accepts; owned */
    char *path;            /* on this machine; NULL: the bytes are in memory, see input_file_bytes; owned */
    uint64_t size;         /* bytes */
    bool has_content;      /* the bytes are `content`, and not what was read from standard input */
    struct pe_buf content; /* owned */
};

struct input_files {
    struct input_file *items; /* owned; in the order of the command line, directories sorted by name */
    size_t count;
    uint64_t bytes; /* total size of all files */

    const char *stdin_name;       /* name in the job of its standard input, or NULL; owned by an item */
    struct pe_buf standard_input; /* what this program read from its own standard input */
    bool has_standard_input;      /* true once it has been read; it can be read only once */
};

/* The last component of a path without trailing slashes; "" for "/", "." and "..". The caller frees it. NULL
 * with PE_ERR_INTERNAL without memory. */
char *input_files_base_name(const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Add the file or the directory at `path`. A file gets its base name. Files of a directory are
 * called DIRECTORY/NAME with the directory's base name; for "." and ".." just NAME. Symbolic links
 * and special files inside directories are skipped with a notice on stderr. PE_ERR_INVALID when a
 * name is not allowed in a job, PE_ERR_TOO_LARGE beyond the limits of the service
 * (proto/limits.h), PE_ERR_INTERNAL when something cannot be read. */
int input_files_add(struct input_files *files, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Make the file at `path` the job's standard input. "-" reads this program's own standard input to
 * its end. A file that has been added already is not added twice. Call this after the last
 * input_files_add. PE_ERR_INVALID when `path` is not a regular file; otherwise as input_files_add. */
int input_files_set_stdin(struct input_files *files, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Add a file called `name` whose bytes are those of `content`, which is empty then. Errors as of
 * input_files_add. */
int input_files_add_content(struct input_files *files, const char *name, struct pe_buf *content,
                            struct pe_error *err) PE_MUST_CHECK;

/* Add the file at `path` under the name `name`. Errors as of input_files_add. */
int input_files_add_as(struct input_files *files, const char *name, const char *path,
                       struct pe_error *err) PE_MUST_CHECK;

/* The file with this name, or NULL. */
const struct input_file *input_files_find(const struct input_files *files, const char *name);

/* The bytes of a file that has no path. */
const struct pe_buf *input_file_bytes(const struct input_files *files, const struct input_file *file);

/* Check that all names are different. PE_ERR_INVALID names two files that would have one name in
 * the job; PE_ERR_INTERNAL without memory. */
int input_files_check(const struct input_files *files, struct pe_error *err) PE_MUST_CHECK;

/* Remove all files, but keep what was read from standard input, so that they can be collected
 * again. */
void input_files_clear(struct input_files *files);

/* Free everything. */
void input_files_free(struct input_files *files);

#endif
