/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of names and inodes. It knows neither tar nor squashfs. */
#include "image/tree.h"

#include "base/cleanup.h"
#include "proto/path.h"

#include <limits.h>
#include <sqfs/predef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Linux follows as many links in one path; see path_resolution(7). */
#define LINKS_MAX 40

static struct tree_inode *new_inode(struct tree *tree, const struct tree_attributes *attributes,
                                    struct pe_error *err)
{
    struct tree_inode *inode = calloc(1, sizeof *inode);
    if (!inode) {
        pe_fail_errno(err, "out of memory for the file tree");
        return NULL;
    }
    inode->attributes = *attributes;
    inode->next = tree->all;
    tree->all = inode;
    tree->inode_count++;
    return inode;
}

static const struct tree_attributes plain_directory = {.mode = S_IFDIR | 0755};

int tree_init(struct tree *tree, struct pe_error *err)
{
    *tree = (struct tree){0};
    tree->root = new_inode(tree, &plain_directory, err);
    if (!tree->root)
        return -1;
    tree->root->links = 1;
    return 0;
}

static void clear_xattrs(struct tree_inode *inode)
{
    for (size_t i = 0; i < inode->xattr_count; i++) {
        free(inode->xattrs[i].name);
        free(inode->xattrs[i].value);
    }
    free(inode->xattrs);
    inode->xattrs = NULL;
    inode->xattr_count = 0;
}

void tree_free(struct tree *tree)
{
    for (struct tree_inode *inode = tree->all; inode;) {
        struct tree_inode *next = inode->next;
        tree_directory_clear(&inode->directory);
        free(inode->target);
        clear_xattrs(inode);
        sqfs_free(inode->content);
        free(inode);
        inode = next;
    }
    *tree = (struct tree){0};
}

/* ---- paths ---- */

static int refuse(const char *path, const char *why, struct pe_error *err)
{
    char shown[256];
    return pe_fail(err, PE_ERR_INVALID, "archive member '%s' %s",
                   pe_path_printable(path, strlen(path), shown, sizeof shown), why);
}

int tree_clean_path(const char *path, char *clean, struct pe_error *err)
{
    size_t used = 0;
    for (const char *at = path; *at;) {
        size_t size = strcspn(at, "/");
        const char *name = at;
        at += size + (at[size] == '/');
        if (size == 0 || (size == 1 && name[0] == '.'))
            continue;
        if (size == 2 && name[0] == '.' && name[1] == '.')
            return refuse(path, "has '..' in its path", err);
        if (size > PE_PATH_COMPONENT_MAX)
            return refuse(path, "has a name of more than 255 bytes", err);
        if (used + 1 + size + 1 > PATH_MAX)
            return refuse(path, "has a path of more than 4095 bytes", err);
        if (used)
            clean[used++] = '/';
        memcpy(clean + used, name, size);
        used += size;
    }
    clean[used] = '\0';
    return 0;
}

/* ---- directories ---- */

/* Count one name less. A directory without a name loses everything below it; hard links to those
 * files remain. */
static void unlink_below(struct tree_inode *inode)
{
    inode->links--;
    struct tree_place place = {0};
    for (struct tree_entry *entry; (entry = tree_directory_next(&inode->directory, &place));)
        unlink_below(entry->inode);
}

static int set_entry(const struct tree *tree, struct tree_inode *directory, const char *name,
                     struct tree_inode *inode, struct pe_error *err)
{
    struct tree_entry *entry = tree_directory_find(&directory->directory, name);
    inode->links++; /* counted first, in case an entry replaces itself */
    if (entry)
        unlink_below(entry->inode);
    else if (!(entry = tree_directory_add(&directory->directory, name, err)))
        return -1;
    entry->inode = inode;
    entry->layer = tree->layer;
    return 0;
}

struct tree_inode *tree_child(const struct tree_inode *directory, const char *name)
{
    const struct tree_entry *entry = tree_directory_find(&directory->directory, name);
    return entry ? entry->inode : NULL;
}

/* Copy the first component of a clean path to `name`, and return the rest of the path. */
static const char *first_name(const char *path, char name[PE_PATH_COMPONENT_MAX + 1])
{
    size_t size = strcspn(path, "/");
    memcpy(name, path, size);
    name[size] = '\0';
    return path + size + (path[size] == '/');
}

struct tree_inode *tree_find(const struct tree *tree, const char *path)
{
    struct tree_inode *at = tree->root;
    char name[PE_PATH_COMPONENT_MAX + 1];
    while (at && *path) {
        path = first_name(path, name);
        at = tree_child(at, name);
    }
    return at;
}

/* ---- symbolic links ---- */

/* Where the resolution of a path stands. */
struct walk {
    struct tree *tree;
    const char *path;                            /* as given; for messages */
    char *resolved;                              /* PATH_MAX bytes: the walked part, without symbolic links */
    size_t length;                               /* of `resolved` */
    struct tree_inode *inodes[PATH_MAX / 2 + 1]; /* at each depth of `resolved`; NULL: missing */
    size_t depth;
};

static void walk_to_root(struct walk *walk)
{
    walk->depth = walk->length = 0;
    walk->inodes[0] = walk->tree->root;
    walk->resolved[0] = '\0';
}

/* Go up one level, but not above the root. */
static void walk_up(struct walk *walk)
{
    if (walk->depth == 0)
        return;
    walk->depth--;
    while (walk->length > 0 && walk->resolved[--walk->length] != '/')
        ;
    walk->resolved[walk->length] = '\0';
}

static int walk_down(struct walk *walk, const char *name, struct tree_inode *inode, struct pe_error *err)
{
    size_t size = strlen(name), slash = walk->length > 0;
    if (walk->length + slash + size >= PATH_MAX)
        return refuse(walk->path, "leads through symbolic links to a path of more than 4095 bytes", err);
    if (slash)
        walk->resolved[walk->length++] = '/';
    memcpy(walk->resolved + walk->length, name, size + 1);
    walk->length += size;
    walk->inodes[++walk->depth] = inode;
    return 0;
}

/* Replace a symbolic link, which was the next component, by its target: `rest` becomes the target
 * followed by what `left` points to in it. */
static int follow(struct walk *walk, const struct tree_inode *link, char rest[2 * PATH_MAX], const char *left,
                  struct pe_error *err)
{
    char joined[2 * PATH_MAX];
    int n = snprintf(joined, sizeof joined, "%s/%s", link->target, left);
    if (n < 0 || (size_t)n >= sizeof joined)
        return refuse(walk->path, "leads through symbolic links that are too long", err);
    walk->tree->followed += (uint64_t)n;
    if (walk->tree->followed > TREE_FOLLOWED_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the names of the image lead through symbolic links with more than %u MiB of paths",
                       TREE_FOLLOWED_MAX >> 20);
    memcpy(rest, joined, (size_t)n + 1);
    if (rest[0] == '/')
        walk_to_root(walk);
    return 0;
}

int tree_resolve(struct tree *tree, const char *path, bool follow_last, char *resolved, struct pe_error *err)
{
    struct walk walk = {.tree = tree, .path = path, .resolved = resolved};
    char rest[2 * PATH_MAX], name[PE_PATH_COMPONENT_MAX + 1];
    unsigned links = 0;
    snprintf(rest, sizeof rest, "%s", path);
    walk_to_root(&walk);
    for (const char *at = rest + strspn(rest, "/"); *at; at += strspn(at, "/")) {
        if (strcspn(at, "/") > PE_PATH_COMPONENT_MAX)
            return refuse(path, "leads through a symbolic link with a name of more than 255 bytes", err);
        at = first_name(at, name);
        if (!strcmp(name, "."))
            continue;
        if (!strcmp(name, "..")) {
            walk_up(&walk);
            continue;
        }
        struct tree_inode *above = walk.inodes[walk.depth], *inode = above ? tree_child(above, name) : NULL;
        bool last = !at[strspn(at, "/")];
        if (!inode || !S_ISLNK(inode->attributes.mode) || (last && !follow_last)) {
            if (walk_down(&walk, name, inode, err) < 0)
                return -1;
            continue;
        }
        if (++links > LINKS_MAX)
            return refuse(path, "leads through more than 40 symbolic links", err);
        if (follow(&walk, inode, rest, at, err) < 0)
            return -1;
        at = rest;
    }
    return 0;
}

struct tree_inode *tree_find_target(struct tree *tree, const char *path)
{
    char resolved[PATH_MAX];
    struct pe_error ignored;
    return tree_resolve(tree, path, true, resolved, &ignored) < 0 ? NULL : tree_find(tree, resolved);
}

/* ---- parents ---- */

static int refuse_parent(const char *path, const struct tree_inode *inode, struct pe_error *err)
{
    return refuse(path,
                  S_ISLNK(inode->attributes.mode) ? "has a symbolic link among its parent directories"
                                                  : "has a file among its parent directories",
                  err);
}

/* Record that the current layer names this directory, or something below it. */
static void touch(const struct tree *tree, struct tree_inode *directory, const char *name)
{
    struct tree_entry *entry = tree_directory_find(&directory->directory, name);
    if (entry)
        entry->layer = tree->layer;
}

/* The directory of the last component of a clean path, created if necessary. The component is
 * copied to `name`. NULL on failure. */
static struct tree_inode *make_parents(struct tree *tree, const char *path,
                                       char name[PE_PATH_COMPONENT_MAX + 1], struct pe_error *err)
{
    struct tree_inode *at = tree->root;
    for (const char *rest = first_name(path, name); *rest; rest = first_name(rest, name)) {
        struct tree_inode *below = tree_child(at, name);
        if (!below) {
            below = new_inode(tree, &plain_directory, err);
            if (!below || set_entry(tree, at, name, below, err) < 0)
                return NULL;
        }
        if (!S_ISDIR(below->attributes.mode)) {
            (void)refuse_parent(path, below, err);
            return NULL;
        }
        touch(tree, at, name);
        at = below;
    }
    return at;
}

/* ---- adding entries ---- */

int tree_add(struct tree *tree, const char *path, const struct tree_attributes *attributes,
             struct tree_inode **inode, struct pe_error *err)
{
    struct tree_inode *old = tree_find(tree, path);
    if (old && S_ISDIR(old->attributes.mode) && S_ISDIR(attributes->mode)) {
        char own[PE_PATH_COMPONENT_MAX + 1];
        struct tree_inode *above = *path ? make_parents(tree, path, own, err) : NULL;
        if (*path && !above)
            return -1;
        if (above)
            touch(tree, above, own);
        old->attributes = *attributes;
        clear_xattrs(old);
        *inode = old;
        return 0;
    }
    if (!*path)
        return pe_fail(err, PE_ERR_INVALID, "the archive's root is not a directory");
    char name[PE_PATH_COMPONENT_MAX + 1];
    struct tree_inode *parent = make_parents(tree, path, name, err);
    *inode = parent ? new_inode(tree, attributes, err) : NULL;
    return *inode ? set_entry(tree, parent, name, *inode, err) : -1;
}

int tree_add_child(struct tree *tree, struct tree_inode *directory, const char *name,
                   const struct tree_attributes *attributes, struct tree_inode **inode, struct pe_error *err)
{
    *inode = new_inode(tree, attributes, err);
    return *inode ? set_entry(tree, directory, name, *inode, err) : -1;
}

int tree_link_child(struct tree *tree, struct tree_inode *directory, const char *name,
                    struct tree_inode *inode, struct pe_error *err)
{
    return set_entry(tree, directory, name, inode, err);
}

int tree_link(struct tree *tree, const char *path, const char *target, struct pe_error *err)
{
    struct tree_inode *inode = tree_find(tree, target);
    if (!inode || S_ISDIR(inode->attributes.mode) || !*path)
        return refuse(path, "is a hard link to something that is not a file of this archive", err);
    char name[PE_PATH_COMPONENT_MAX + 1];
    struct tree_inode *parent = make_parents(tree, path, name, err);
    return parent ? set_entry(tree, parent, name, inode, err) : -1;
}

/* ---- whiteouts ---- */

/* The directory of the last component of a path, which is copied to `name`. NULL when a directory
 * is missing, or, with `*failed` set, when a parent is not a directory. */
static struct tree_inode *find_parent(const struct tree *tree, const char *path,
                                      char name[PE_PATH_COMPONENT_MAX + 1], bool *failed,
                                      struct pe_error *err)
{
    struct tree_inode *at = tree->root;
    for (const char *rest = first_name(path, name); *rest && at; rest = first_name(rest, name)) {
        at = tree_child(at, name);
        if (at && !S_ISDIR(at->attributes.mode)) {
            *failed = true;
            (void)refuse_parent(path, at, err);
            return NULL;
        }
    }
    return at;
}

static void hide_older(struct tree *tree, struct tree_inode *directory);

/* Called for the entries of a directory that loses what older layers have in it. The current layer has
 * nothing below an entry that it did not touch. */
static bool keep_current(struct tree_entry *entry, void *data)
{
    struct tree *tree = data;
    bool current = entry->layer == tree->layer;
    if (!current)
        unlink_below(entry->inode);
    else if (S_ISDIR(entry->inode->attributes.mode))
        hide_older(tree, entry->inode);
    return current;
}

/* Remove the entries of older layers below a directory. A second time, the same layer finds none. */
static void hide_older(struct tree *tree, struct tree_inode *directory)
{
    if (directory->cleared == tree->layer + 1)
        return;
    directory->cleared = tree->layer + 1;
    tree_directory_filter(&directory->directory, keep_current, tree);
}

int tree_hide(struct tree *tree, const char *path, struct pe_error *err)
{
    char name[PE_PATH_COMPONENT_MAX + 1];
    bool failed = false;
    struct tree_inode *parent = find_parent(tree, path, name, &failed, err);
    struct tree_entry *entry = parent ? tree_directory_find(&parent->directory, name) : NULL;
    if (!entry)
        return failed ? -1 : 0;
    if (entry->layer == tree->layer) {
        if (S_ISDIR(entry->inode->attributes.mode))
            hide_older(tree, entry->inode);
        return 0;
    }
    unlink_below(entry->inode);
    tree_directory_remove(&parent->directory, entry);
    return 0;
}

int tree_hide_below(struct tree *tree, const char *path, struct pe_error *err)
{
    struct tree_inode *directory = tree_find(tree, path);
    if (directory && !S_ISDIR(directory->attributes.mode))
        return refuse_parent(path, directory, err);
    if (directory)
        hide_older(tree, directory);
    return 0;
}

/* ---- extended attributes ---- */

static int set_value(struct tree_xattr *xattr, const void *value, size_t size, struct pe_error *err)
{
    void *copy = malloc(size + 1);
    if (!copy)
        return pe_fail_errno(err, "out of memory for the extended attribute %s", xattr->name);
    memcpy(copy, value, size);
    free(xattr->value);
    xattr->value = copy;
    xattr->size = size;
    return 0;
}

int tree_set_xattr(struct tree_inode *inode, const char *name, const void *value, size_t size,
                   struct pe_error *err)
{
    for (size_t i = 0; i < inode->xattr_count; i++)
        if (!strcmp(inode->xattrs[i].name, name))
            return set_value(&inode->xattrs[i], value, size, err);
    struct tree_xattr *xattrs = reallocarray(inode->xattrs, inode->xattr_count + 1, sizeof *xattrs);
    if (!xattrs)
        return pe_fail_errno(err, "out of memory for the extended attribute %s", name);
    inode->xattrs = xattrs;
    struct tree_xattr *xattr = &xattrs[inode->xattr_count];
    *xattr = (struct tree_xattr){.name = strdup(name)};
    if (!xattr->name)
        return pe_fail_errno(err, "out of memory for the extended attribute %s", name);
    inode->xattr_count++;
    return set_value(xattr, value, size, err);
}
