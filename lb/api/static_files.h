/* The playground's files in memory: a folder that `make playground` wrote, read as a whole. */
#ifndef PE_LB_API_STATIC_FILES_H
#define PE_LB_API_STATIC_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>

enum {
    PAGE_FILES_MAX = 512,
    PAGE_NAME_MAX = 96,            /* bytes of a file's name */
    PAGE_FILE_BYTES_MAX = 4 << 20, /* of one file */
    PAGE_BYTES_MAX = 32 << 20      /* of all, compressed ones included */
};

enum page_coding { PAGE_IDENTITY, PAGE_GZIP, PAGE_BROTLI, PAGE_CODINGS };

struct page_file {
    char path[PAGE_NAME_MAX + 16]; /* of the URL: "/" or "/assets/NAME" */
    const char *type;              /* media type */
    struct pe_buf content[PAGE_CODINGS];
    char etag[40]; /* of the uncompressed content, without quotes */
};

struct page_files {
    struct page_file *files; /* sorted by path */
    size_t count;            /* 0: there is no page */
    size_t bytes;
};

/* Read FOLDER/index.html and FOLDER/assets/NAME, each with NAME.gz and NAME.br if they are there. A folder
 * that does not exist is PE_ERR_NOT_FOUND; a name with other bytes than letters, digits, '.', '_' and '-', a
 * name without a known ending, and what is over the bounds above PE_ERR_INVALID or PE_ERR_TOO_LARGE. On
 * failure `files` stays as it was. */
int page_files_read(struct page_files *files, const char *folder, struct pe_error *err) PE_MUST_CHECK;
void page_files_free(struct page_files *files);

/* The file of a URL's path, or NULL. */
const struct page_file *page_files_find(const struct page_files *files, const char *path, size_t size);

#endif
