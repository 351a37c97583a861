/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a tree that a hostile program has made. No process of the program is left, so the tree
 * does not change. But it may be deep and wide, and have strange names, links and sparse files.
 * Memory is bounded by twice the number of paths that may be sent, and time by a deadline. */
#include "guest-init/outputs.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/glob.h"
#include "guest-init/archive.h"
#include "proto/path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The time limit of a walk. A tree of 100,000 names takes a fraction of it, unless there are many
 * globs. */
#define WALK_TIMEOUT_US (10 * 1000000ull)

/* Paths that there is room for when the first one is found. */
#define FIRST_CAPACITY 16u

struct walk {
    struct outputs *outputs;
    const struct outputs_limits *limits;
    uint64_t deadline_us;
};

/* Drop something whose name is unknown, or too long to be sent. */
static void drop_nameless(struct outputs *outputs)
{
    outputs->dropped++;
    outputs->over_limit = true;
}

static void drop_for_limit(struct outputs *outputs, const struct output *output)
{
    drop_nameless(outputs);
    dropped_names_add(&outputs->names, output->path, output->mode);
}

static int compare_paths(const void *left, const void *right)
{
    return strcmp(((const struct output *)left)->path, ((const struct output *)right)->path);
}

/* Sort the list and keep the first `most` entries. */
static void keep_first(struct outputs *outputs, size_t most)
{
    if (outputs->count)
        qsort(outputs->items, outputs->count, sizeof *outputs->items, compare_paths);
    size_t kept = outputs->count < most ? outputs->count : most;
    for (size_t i = kept; i < outputs->count; i++) {
        drop_for_limit(outputs, &outputs->items[i]);
        free(outputs->items[i].path);
    }
    outputs->count = kept;
}

/* Make the list longer, up to twice the number of paths that are kept: then only those stay. */
static int make_room(struct outputs *outputs, size_t most_kept, struct pe_error *err)
{
    const size_t most = 2 * most_kept + 1;
    if (outputs->count < outputs->capacity)
        return 0;
    if (outputs->capacity == most) {
        keep_first(outputs, most_kept);
        return 0;
    }
    const size_t wanted = outputs->capacity ? 2 * outputs->capacity : FIRST_CAPACITY;
    const size_t capacity = wanted < most ? wanted : most;
    struct output *items = realloc(outputs->items, capacity * sizeof *items);
    if (!items)
        return pe_fail_errno(err, "out of memory for %zu outputs", capacity);
    outputs->items = items;
    outputs->capacity = capacity;
    return 0;
}

static int add(struct walk *walk, const char *path, mode_t type, struct pe_error *err)
{
    struct outputs *outputs = walk->outputs;
    if (make_room(outputs, walk->limits->entries, err) < 0)
        return -1;
    char *copy = strdup(path);
    if (!copy)
        return pe_fail_errno(err, "out of memory for a path");
    outputs->items[outputs->count++] = (struct output){.path = copy, .mode = type};
    return 0;
}

static bool is_wanted(const struct outputs_limits *limits, const char *path)
{
    for (size_t i = 0; i < limits->glob_count; i++)
        if (pe_glob_match(limits->globs[i], path))
            return true;
    return limits->glob_count == 0;
}

/* The S_IFMT bits of an entry; 0 if they are unknown. */
static mode_t entry_type(int folder, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return DTTOIF(entry->d_type);
    return fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & S_IFMT;
}

static int walk_folder(struct walk *walk, int at, const char *name, const struct pe_path *path,
                       struct pe_error *err);

/* Handle one entry of a folder. `parent` is NULL in the output folder itself. */
static int visit(struct walk *walk, int folder, const struct pe_path *parent, const struct dirent *entry,
                 struct pe_error *err)
{
    char joined[PE_PATH_MAX + PE_PATH_COMPONENT_MAX + 2];
    struct pe_path path;
    struct pe_error unfit;
    int length = snprintf(joined, sizeof joined, "%s%s%s", parent ? parent->text : "", parent ? "/" : "",
                          entry->d_name);
    if (pe_path_parse(joined, (size_t)length, 0, &path, &unfit) < 0) {
        drop_nameless(walk->outputs);
        return 0;
    }
    mode_t type = entry_type(folder, entry);
    if (is_wanted(walk->limits, path.text)) {
        if (type != S_IFREG && type != S_IFDIR) {
            walk->outputs->dropped++;
            dropped_names_add(&walk->outputs->names, path.text, type);
        } else if (add(walk, path.text, type, err) < 0) {
            return -1;
        }
    }
    return type == S_IFDIR ? walk_folder(walk, folder, entry->d_name, &path, err) : 0;
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The recursion is at most PE_PATH_DEPTH_MAX deep, because pe_path_parse refuses deeper paths. */
static int walk_folder(struct walk *walk, int at, const char *name, const struct pe_path *path,
                       struct pe_error *err)
{
    pe_autoclose int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    pe_autodir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return pe_fail_errno(err, "cannot open an output folder");
    int folder = pe_steal_fd(&fd);
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir))) {
        if (is_dots(entry->d_name))
            continue;
        if (pe_now_us() > walk->deadline_us) {
            drop_nameless(walk->outputs);
            return 0;
        }
        if (visit(walk, folder, path, entry, err) < 0)
            return -1;
    }
    return 0;
}

/* True if a folder that was just opened has no entries, as with most jobs. Its offset changes. The kernel
 * fills the buffer as far as it can, and two names of dots leave much room. */
static bool is_empty(int folder)
{
    enum { DOTS_SIZE = 2 * 24 }; /* struct linux_dirent64, getdents64(2), with a name of at most 4 bytes */
    uint8_t entries[1024] __attribute__((aligned(8)));
    return syscall(SYS_getdents64, folder, entries, sizeof entries) == DOTS_SIZE;
}

int outputs_find(struct outputs *outputs, const char *folder, const struct outputs_limits *limits,
                 struct pe_error *err)
{
    *outputs = (struct outputs){.folder = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (outputs->folder < 0)
        return pe_fail_errno(err, "cannot open %s", folder);
    if (is_empty(outputs->folder))
        return 0;
    struct walk walk = {.outputs = outputs, .limits = limits, .deadline_us = pe_now_us() + WALK_TIMEOUT_US};
    if (walk_folder(&walk, outputs->folder, ".", NULL, err) < 0)
        return -1;
    keep_first(outputs, limits->entries);
    return 0;
}

static int measure(const struct outputs *outputs, struct output *output, struct pe_error *err)
{
    struct stat st;
    if (fstatat(outputs->folder, output->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return pe_fail_errno(err, "cannot read the attributes of an output");
    output->mode = st.st_mode & (S_IFMT | 0777); /* set-user-ID bits have no meaning for the receiver */
    output->mtime = st.st_mtime < 0 ? 0 : st.st_mtime > UINT32_MAX ? UINT32_MAX : (uint32_t)st.st_mtime;
    output->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

int outputs_measure(struct outputs *outputs, const struct outputs_limits *limits, size_t prefix,
                    struct pe_error *err)
{
    uint64_t bytes = limits->bytes, archive = limits->archive;
    size_t kept = 0;
    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = &outputs->items[i];
        if (measure(outputs, output, err) < 0)
            return -1;
        /* The size is checked first, because the cost of a huge sparse file would overflow. */
        uint64_t cost = output->size > bytes ? 0 : archive_cost(prefix + strlen(output->path), output->size);
        if (output->size > bytes || cost > archive) {
            drop_for_limit(outputs, output);
            continue;
        }
        bytes -= output->size;
        archive -= cost;
        struct output unfit = outputs->items[kept];
        outputs->items[kept++] = *output;
        *output = unfit;
    }
    for (size_t i = kept; i < outputs->count; i++)
        free(outputs->items[i].path);
    outputs->count = kept;
    return 0;
}

int outputs_open(const struct outputs *outputs, const struct output *output, struct pe_error *err)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, outputs->folder, output->path, &how, sizeof how);
    return fd < 0 ? pe_fail_errno(err, "cannot open an output file") : fd;
}

void outputs_free(struct outputs *outputs)
{
    pe_cleanup_close(&outputs->folder);
    for (size_t i = 0; i < outputs->count; i++)
        free(outputs->items[i].path);
    free(outputs->items);
    dropped_names_free(&outputs->names);
    *outputs = (struct outputs){.folder = -1};
}
