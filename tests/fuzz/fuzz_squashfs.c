/* SPDX-License-Identifier: Apache-2.0 */
/* Squashfs images that pe-image reads. The tree of one that is accepted is in order and within its limits,
 * and its files can be read from any offset or are damaged. */
#include "base/cleanup.h"
#include "image/squashfs_reader.h"
#include "tests/fuzz/fake_folder.h"

enum { NAMES = 1000, METADATA = 100000, BYTES = 1 << 20 };

static void read_files(struct squashfs_reader *reader, const struct tree *tree)
{
    static uint8_t bytes[65536];
    struct pe_error err = {0};
    uint64_t total = 0;
    for (const struct tree_inode *inode = tree->all; inode; inode = inode->next) {
        if (!inode->content || !S_ISREG(inode->attributes.mode))
            continue;
        uint64_t size = squashfs_reader_file_size(inode);
        total += size;
        HOLDS(size <= BYTES && total <= BYTES);
        (void)!squashfs_reader_check_place(reader, inode, &err);
        const uint64_t offsets[] = {0, size / 2, size > 10 ? size - 10 : 0};
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            int64_t n = squashfs_reader_read_file(reader, inode, offsets[i], bytes, sizeof bytes, &err);
            HOLDS(n <= (int64_t)sizeof bytes && (n >= 0 || err.kind));
            HOLDS(n < 0 || (uint64_t)n <= size - offsets[i]);
        }
    }
}

static void check_directory(const struct tree_inode *inode, size_t *names)
{
    struct tree_place place = {0};
    const char *last = "";
    *names += inode->directory.count;
    HOLDS(*names <= NAMES);
    for (const struct tree_entry *entry; (entry = tree_directory_next(&inode->directory, &place));) {
        HOLDS(entry->name[0] && !strchr(entry->name, '/') && strcmp(entry->name, "..") != 0);
        HOLDS(strcmp(last, entry->name) < 0);
        last = entry->name;
        if (S_ISDIR(entry->inode->attributes.mode))
            check_directory(entry->inode, names);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[128];
    struct pe_error err = {0};
    pe_autotree struct tree tree = {0};
    struct squashfs_limits limits = {.names_left = NAMES, .metadata_left = METADATA, .bytes_left = BYTES};
    size_t names = 0;
    fake_folder_begin();
    fake_folder_write("image", bytes, size);
    snprintf(path, sizeof path, "%s/image", fake_folder);
    HOLDS(tree_init(&tree, &err) == 0);
    pe_autosquashfsreader struct squashfs_reader *reader = squashfs_reader_open(path, &err);
    if (!reader || squashfs_reader_read_tree(reader, "", &tree, "", &limits, &err) < 0) {
        HOLDS(err.kind && err.message[0]);
        return 0;
    }
    check_directory(tree.root, &names);
    read_files(reader, &tree);
    return 0;
}
