/* A file tree in memory: what the layers of an image describe, without the files' bytes. Names and inodes are
 * separate, so that hard links are two names of one inode. The layer reader fills it, the squashfs writer
 * writes it. */
#ifndef PE_IMAGE_TREE_H
#define PE_IMAGE_TREE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sqfs_inode_generic_t;

struct tree_entry {
    char *name; /* owned */
    struct tree_inode *inode;
    uint32_t layer; /* the last that named it */
};

struct tree_xattr {
    char *name; /* "user.x", "security.capability"; owned */
    void *value;
    size_t size;
};

struct tree_attributes {
    uint32_t mode; /* type and permission bits */
    uint32_t uid, gid;
    uint32_t mtime;  /* seconds since 1970 */
    uint32_t device; /* of a device node, as Linux encodes it: see makedev(3) */
};

struct tree_inode {
    struct tree_attributes attributes;
    uint32_t layer; /* for whoever walks the tree and must not do an inode twice; else 0 */
    uint32_t links; /* names of this inode; 0: replaced by a later entry, not written */
    char *target;   /* of a symlink; owned */

    struct tree_xattr *xattrs; /* owned */
    size_t xattr_count;

    /* Of a regular file: where its bytes are copied as well when they are wanted, else NULL. The asker's. */
    struct pe_buf *copy;

    /* Of a directory: sorted by strcmp, the order that squashfs requires. */
    struct tree_entry *entries;
    size_t entry_count, entry_capacity;

    /* The squashfs writer's: where a regular file's bytes went (owned, freed with sqfs_free), and what the
     * inode is called in the image. */
    struct sqfs_inode_generic_t *content;
    uint32_t number;    /* 0: none yet */
    uint64_t reference; /* where it lies, once written */
    bool written;

    struct tree_inode *next; /* all inodes of a tree, so that they live until it is freed */
};

struct tree {
    struct tree_inode *root;
    struct tree_inode *all;
    size_t inode_count;
    uint32_t layer; /* the one being applied, from 0; set by whoever applies it */
};

/* An empty root directory, 0755 root:root. */
int tree_init(struct tree *tree, struct pe_error *err) PE_MUST_CHECK;
void tree_free(struct tree *tree);
#define pe_autotree __attribute__((cleanup(tree_free)))

/* Write the path of an archive member into `clean` (PATH_MAX bytes) without "./", doubled and trailing
 * slashes; the root is "". An absolute path, a ".." component or a name over 255 bytes is PE_ERR_INVALID. */
int tree_clean_path(const char *path, char *clean, struct pe_error *err) PE_MUST_CHECK;

/* The inode at a clean path, or NULL. Symlinks are not followed. */
struct tree_inode *tree_find(const struct tree *tree, const char *path);

/* Put an inode at a clean path. Missing parents are made (0755 root:root); a parent that is no directory is
 * PE_ERR_INVALID: following a symlink there would let an archive write elsewhere than it says. What was at
 * the path is replaced, except that a directory over a directory only changes its attributes. `*inode` is the
 * tree's. */
int tree_add(struct tree *tree, const char *path, const struct tree_attributes *attributes,
             struct tree_inode **inode, struct pe_error *err) PE_MUST_CHECK;

/* Remove what layers before the current one put at `path` (a whiteout), or below the directory there (an
 * opaque one); what the current layer put there stays. Nothing there is no error; a way through something
 * that is no directory is PE_ERR_INVALID. */
int tree_hide(struct tree *tree, const char *path, struct pe_error *err) PE_MUST_CHECK;
int tree_hide_below(struct tree *tree, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Add an extended attribute, or replace its value. */
int tree_set_xattr(struct tree_inode *inode, const char *name, const void *value, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;
void tree_clear_xattrs(struct tree_inode *inode);

/* Make `path` another name of the file at `target`, both clean. PE_ERR_INVALID when there is no file there.
 */
int tree_link(struct tree *tree, const char *path, const char *target, struct pe_error *err) PE_MUST_CHECK;

/* The same for an inode of the tree that is no directory. */
int tree_link_inode(struct tree *tree, const char *path, struct tree_inode *inode,
                    struct pe_error *err) PE_MUST_CHECK;

#endif
