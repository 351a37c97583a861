/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a directory of a tree, in the order of strcmp, as squashfs requires. They are kept in
 * blocks of bounded size, so that adding and removing takes little time in any order and in
 * directories of any size. */
#ifndef PE_IMAGE_TREE_DIRECTORY_H
#define PE_IMAGE_TREE_DIRECTORY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree_inode;

struct tree_entry {
    char *name; /* owned */
    struct tree_inode *inode;
    uint32_t layer; /* the last layer that named it */
};

struct tree_block {
    struct tree_entry *entries; /* sorted; owned; never empty */
    uint32_t count, capacity;
};

struct tree_directory {
    struct tree_block *blocks; /* sorted; owned */
    size_t block_count;
    size_t count; /* of all entries */
};

/* Free all entries. Their inodes belong to the tree. */
void tree_directory_clear(struct tree_directory *directory);

/* The entry of this name, or NULL. It is valid until the directory is changed. */
struct tree_entry *tree_directory_find(const struct tree_directory *directory, const char *name);

/* Add an entry of a name that the directory does not have. The caller sets its inode and layer, before
 * it changes the directory again. NULL with PE_ERR_INTERNAL without memory. */
struct tree_entry *tree_directory_add(struct tree_directory *directory, const char *name,
                                      struct pe_error *err);

/* Remove an entry that tree_directory_find has returned. */
void tree_directory_remove(struct tree_directory *directory, struct tree_entry *entry);

/* Remove the entries for which `keep` returns false. It is called with `data` for each, in their
 * order, and must not change this directory. */
void tree_directory_filter(struct tree_directory *directory,
                           bool (*keep)(struct tree_entry *entry, void *data), void *data);

/* A place in a directory. {0} is the beginning. */
struct tree_place {
    size_t block, index;
};

/* The entry at a place, which is moved on, or NULL at the end. The directory must not be changed
 * meanwhile. */
struct tree_entry *tree_directory_next(const struct tree_directory *directory, struct tree_place *place);

#endif
