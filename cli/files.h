/* The files of a job on the user's side: which they are and what they are called in the job. */
#ifndef PE_CLI_FILES_H
#define PE_CLI_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input_file {
    char *name;    /* in the job: a relative path that pe_path_parse accepts; owned */
    char *path;    /* on this machine, or NULL: the bytes are input_files.standard_input; owned */
    uint64_t size; /* bytes */
};

struct input_files {
    struct input_file *items; /* owned; in the order in which they were named, directories sorted */
    size_t count;
    uint64_t bytes; /* of all files */

    const char *stdin_name;       /* in the job, or NULL; belongs to an item */
    struct pe_buf standard_input; /* what this program read from its own, */
    bool has_standard_input;      /* if it did: it comes only once */
};

/* Add what the user named: a file under its base name, a directory with everything below it under its base
 * name (nothing in front for "." and ".."). Symbolic links and special files inside directories are left out
 * with a line on stderr. PE_ERR_INVALID when a name is not allowed, PE_ERR_TOO_LARGE past the service's
 * limits. */
int input_files_add(struct input_files *files, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Make `path` ("-": this program's own, read to its end) the job's standard input. A file that was added
 * already is used as it is. To be called after the last input_files_add. */
int input_files_set_stdin(struct input_files *files, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_INVALID naming both files when two have one name. */
int input_files_check(const struct input_files *files, struct pe_error *err) PE_MUST_CHECK;

/* Forget the files, but not what was read from standard input: they are to be collected anew. */
void input_files_clear(struct input_files *files);

void input_files_free(struct input_files *files);

#endif
