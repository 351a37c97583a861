/* SPDX-License-Identifier: Apache-2.0 */
/* Output files that pe-run saves. The lines of the input are names that a hostile program chose; one with a
 * slash at its end is a folder. A link in the output folder leads out of it. Nothing is written there, and
 * what is said to be saved is there. */
#include "base/cleanup.h"
#include "cli/outputs.h"
#include "tests/fuzz/fake_folder.h"

enum { NAMES_MAX = 16 };

static const uint8_t content[] = "content";

static void add(struct response_file *items, size_t *count, const char *name, size_t length)
{
    struct pe_error err;
    struct response_file file = {.bytes = {content, sizeof content}, .is_executable = length % 2, .mtime = 1};
    if (*count < NAMES_MAX && pe_path_parse(name, length, 0, &file.path, &err) == 0)
        items[(*count)++] = file;
}

static void read_names(struct pe_cursor rest, struct response *response)
{
    while (rest.left) {
        pe_autofree char *name = fuzz_line(&rest);
        size_t length = strlen(name);
        if (length && name[length - 1] == '/')
            add(response->folders.items, &response->folders.count, name, length - 1);
        else
            add(response->files.items, &response->files.count, name, length);
    }
}

/* A folder `out` with a link to the folder `outside`, which is empty. */
static void make_folders(char out[128])
{
    char path[160];
    fake_folder_begin();
    snprintf(path, sizeof path, "%s/outside", fake_folder);
    HOLDS(mkdir(path, 0755) == 0);
    snprintf(out, 128, "%s/out", fake_folder);
    HOLDS(mkdir(out, 0755) == 0);
    snprintf(path, sizeof path, "%s/link", out);
    HOLDS(symlink("../outside", path) == 0);
}

static void check_saved(const char *out, const struct response_files *files, mode_t type)
{
    for (size_t i = 0; i < files->count; i++) {
        char path[128 + PE_PATH_MAX + 2];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", out, files->items[i].path.text);
        HOLDS(lstat(path, &status) == 0 && (status.st_mode & S_IFMT) == type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct response_file files[NAMES_MAX], folders[NAMES_MAX];
    struct response response = {.files = {.items = files}, .folders = {.items = folders}};
    char out[128], outside[160];
    struct pe_error err = {0};
    make_folders(out);
    read_names((struct pe_cursor){.at = bytes, .left = size}, &response);
    if (outputs_write(out, &response, &err) == 0) {
        check_saved(out, &response.files, S_IFREG);
        check_saved(out, &response.folders, S_IFDIR);
    } else {
        HOLDS(err.kind && err.message[0]);
    }
    snprintf(outside, sizeof outside, "%s/outside", fake_folder);
    HOLDS(rmdir(outside) == 0); /* which fails if it is not empty */
    fake_folder_empty();
    return 0;
}
