/* SPDX-License-Identifier: Apache-2.0 */
/* A file tree in memory: what the layers of an image describe, without the contents of files. Names
 * and inodes are separate, so a hard link is a second name of an inode. image/layer.c fills the
 * tree, and image/squashfs_image.c writes it. Functions that add something fail with PE_ERR_INTERNAL
 * without memory. */
#ifndef PE_IMAGE_TREE_H
#define PE_IMAGE_TREE_H

#include "base/error.h"
#include "image/tree_directory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sqfs_inode_generic_t;

struct tree_xattr {
    char *name;  /* as in "user.x"; owned */
    void *value; /* owned */
    size_t size; /* bytes of `value` */
};

struct tree_attributes {
    uint32_t mode; /* file type and permission bits */
    uint32_t uid, gid;
    uint32_t mtime;  /* seconds since 1970 */
    uint32_t device; /* number of a device node, in Linux's 32-bit encoding */
};

struct tree_inode {
    struct tree_attributes attributes;
    uint32_t layer; /* marks inodes that combine.c has visited; otherwise 0 */
    uint32_t links; /* number of names; 0: replaced by a later entry and not written */
    char *target;   /* target of a symbolic link; owned */

    struct tree_xattr *xattrs; /* owned */
    size_t xattr_count;

    struct tree_directory directory; /* the entries of a directory */
    uint32_t cleared;                /* 1 + the last layer that had an opaque whiteout for it; 0: none */

    /* Used by the squashfs writer. `content` says where the contents of a regular file are. It is
     * owned and is freed with sqfs_free. */
    struct sqfs_inode_generic_t *content;
    uint32_t number;    /* inode number in the image; 0: none yet */
    uint64_t reference; /* position of the written inode */
    bool written;

    struct tree_inode *next; /* list of all inodes of the tree */
};

struct tree {
    struct tree_inode *root;
    struct tree_inode *all; /* list of all inodes, also of replaced ones; they live as long as the tree */
    size_t inode_count;
    uint32_t layer;    /* number of the layer being applied, from 0; set by the caller */
    uint64_t followed; /* bytes of paths that tree_resolve has gone because of symbolic links */
};

/* Limit for `followed`. In a root filesystem with a million files below links such as /lib, which
 * leads to usr/lib, it is about 70 MB. */
#define TREE_FOLLOWED_MAX (256u << 20)

/* Initialise a tree with an empty root directory, 0755 root:root. The caller frees it. */
int tree_init(struct tree *tree, struct pe_error *err) PE_MUST_CHECK;
/* Free the tree and all its inodes. */
void tree_free(struct tree *tree);
#define pe_autotree __attribute__((cleanup(tree_free)))

/* Write the path of an archive member to `clean` (PATH_MAX bytes) without "./", doubled slashes,
 * leading and trailing slashes; the root becomes "". An absolute path is relative to the root of the
 * image. PE_ERR_INVALID for a ".." component, a name of more than 255 bytes and a path of more than
 * 4095 bytes. */
int tree_clean_path(const char *path, char *clean, struct pe_error *err) PE_MUST_CHECK;

/* The inode at a clean path, or NULL. Symbolic links are not followed. */
struct tree_inode *tree_find(const struct tree *tree, const char *path);

/* Write the path at which Linux would find a clean path, if the tree were its root, to `resolved`
 * (PATH_MAX bytes): symbolic links among its parents are followed, and with `follow_last` one in the
 * last component, too. Absolute targets begin at the root of the tree, and ".." does not leave it.
 * What is missing is taken for a directory without links. PE_ERR_INVALID for more than 40 links, as
 * in Linux, and for a path that becomes too long; PE_ERR_TOO_LARGE beyond TREE_FOLLOWED_MAX. */
int tree_resolve(struct tree *tree, const char *path, bool follow_last, char *resolved,
                 struct pe_error *err) PE_MUST_CHECK;

/* The inode at a clean path after following all symbolic links; NULL if there is none, or tree_resolve
 * fails. */
struct tree_inode *tree_find_target(struct tree *tree, const char *path);

/* The entry `name` of an inode, or NULL if there is none or the inode is not a directory. */
struct tree_inode *tree_child(const struct tree_inode *directory, const char *name);

/* Add an inode, or a further name of one that is not a directory, to a directory that has no entry of
 * this name. `*inode` is owned by the tree. */
int tree_add_child(struct tree *tree, struct tree_inode *directory, const char *name,
                   const struct tree_attributes *attributes, struct tree_inode **inode,
                   struct pe_error *err) PE_MUST_CHECK;
int tree_link_child(struct tree *tree, struct tree_inode *directory, const char *name,
                    struct tree_inode *inode, struct pe_error *err) PE_MUST_CHECK;

/* Add an inode at a clean path. Missing parents are created as 0755 root:root. An existing inode at
 * the path is replaced, but a directory that replaces a directory only changes its attributes.
 * `*inode` is owned by the tree. PE_ERR_INVALID when a parent is not a directory; tree_resolve
 * follows symbolic links first. */
int tree_add(struct tree *tree, const char *path, const struct tree_attributes *attributes,
             struct tree_inode **inode, struct pe_error *err) PE_MUST_CHECK;

/* Apply a whiteout: remove what layers before the current one have at `path`, or (tree_hide_below,
 * an opaque whiteout) below the directory at `path`. What the current layer has there stays. It is
 * not an error if there is nothing. PE_ERR_INVALID when a parent is not a directory. */
int tree_hide(struct tree *tree, const char *path, struct pe_error *err) PE_MUST_CHECK;
int tree_hide_below(struct tree *tree, const char *path, struct pe_error *err) PE_MUST_CHECK;

/* Add an extended attribute, or replace its value. `value` is copied. */
int tree_set_xattr(struct tree_inode *inode, const char *name, const void *value, size_t size,
                   struct pe_error *err) PE_MUST_CHECK;

/* Make `path` another name of the file at `target`; both are clean paths. PE_ERR_INVALID when there
 * is no file at `target`, or when a parent of `path` is not a directory. */
int tree_link(struct tree *tree, const char *path, const char *target, struct pe_error *err) PE_MUST_CHECK;

#endif
