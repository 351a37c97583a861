/* SPDX-License-Identifier: Apache-2.0 */
/* Searching, splitting and merging the blocks of a directory. */
#include "image/tree_directory.h"

#include <stdlib.h>
#include <string.h>

/* A full block is divided into two. An entry has 24 bytes, so adding one moves 12 KiB at most. */
#define BLOCK_ENTRIES_MAX 512u

static void free_block(struct tree_block *block)
{
    for (uint32_t i = 0; i < block->count; i++)
        free(block->entries[i].name);
    free(block->entries);
}

void tree_directory_clear(struct tree_directory *directory)
{
    for (size_t i = 0; i < directory->block_count; i++)
        free_block(&directory->blocks[i]);
    free(directory->blocks);
    *directory = (struct tree_directory){0};
}

/* ---- searching ---- */

/* The last block that does not begin behind `name`, or the first one. The directory is not empty. */
static size_t find_block(const struct tree_directory *directory, const char *name)
{
    size_t low = 0, high = directory->block_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(directory->blocks[middle].entries[0].name, name) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The index of the first entry of a block that is not in front of `name`. */
static uint32_t find_index(const struct tree_block *block, const char *name)
{
    uint32_t low = 0, high = block->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(block->entries[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tree_entry *tree_directory_find(const struct tree_directory *directory, const char *name)
{
    if (directory->block_count == 0)
        return NULL;
    const struct tree_block *block = &directory->blocks[find_block(directory, name)];
    uint32_t index = find_index(block, name);
    return index < block->count && !strcmp(block->entries[index].name, name) ? &block->entries[index] : NULL;
}

/* ---- adding ---- */

/* Make room for a block at `at`. Returns 0, or -1 without memory. */
static int insert_block(struct tree_directory *directory, size_t at)
{
    struct tree_block *blocks =
        reallocarray(directory->blocks, directory->block_count + 1, sizeof *directory->blocks);
    if (!blocks)
        return -1;
    memmove(blocks + at + 1, blocks + at, (directory->block_count - at) * sizeof *blocks);
    blocks[at] = (struct tree_block){0};
    directory->blocks = blocks;
    directory->block_count++;
    return 0;
}

/* Make room for one more entry in a block. Returns 0, or -1 without memory. */
static int grow(struct tree_block *block)
{
    if (block->count < block->capacity)
        return 0;
    uint32_t capacity = block->capacity ? 2 * block->capacity : 8;
    struct tree_entry *entries = reallocarray(block->entries, capacity, sizeof *entries);
    if (!entries)
        return -1;
    block->entries = entries;
    block->capacity = capacity;
    return 0;
}

/* Move entries of the full block `at` to a new one behind it: half of them, or none if the next name
 * belongs behind all, which fills the blocks of a directory that is read in order. */
static int split(struct tree_directory *directory, size_t at, const char *name)
{
    struct tree_entry *entries = calloc(BLOCK_ENTRIES_MAX, sizeof *entries);
    if (!entries || insert_block(directory, at + 1) < 0) {
        free(entries);
        return -1;
    }
    struct tree_block *full = &directory->blocks[at], *next = full + 1;
    uint32_t moved = strcmp(full->entries[full->count - 1].name, name) < 0 ? 1 : BLOCK_ENTRIES_MAX / 2;
    *next = (struct tree_block){.entries = entries, .count = moved, .capacity = BLOCK_ENTRIES_MAX};
    full->count -= moved;
    memcpy(entries, full->entries + full->count, moved * sizeof *entries);
    return 0;
}

/* The block for a new name, with room for one entry. NULL without memory. */
static struct tree_block *make_room(struct tree_directory *directory, const char *name)
{
    if (directory->block_count == 0 && insert_block(directory, 0) < 0)
        return NULL;
    size_t at = directory->count ? find_block(directory, name) : 0;
    if (directory->blocks[at].count == BLOCK_ENTRIES_MAX) {
        if (split(directory, at, name) < 0)
            return NULL;
        at = find_block(directory, name);
    }
    return grow(&directory->blocks[at]) < 0 ? NULL : &directory->blocks[at];
}

struct tree_entry *tree_directory_add(struct tree_directory *directory, const char *name,
                                      struct pe_error *err)
{
    char *copy = strdup(name);
    struct tree_block *block = copy ? make_room(directory, name) : NULL;
    if (!block) {
        free(copy);
        pe_fail_errno(err, "out of memory for the file tree");
        return NULL;
    }
    uint32_t at = find_index(block, name);
    memmove(block->entries + at + 1, block->entries + at, (block->count - at) * sizeof *block->entries);
    block->entries[at] = (struct tree_entry){.name = copy};
    block->count++;
    directory->count++;
    return &block->entries[at];
}

/* ---- removing ---- */

static void remove_block(struct tree_directory *directory, size_t at)
{
    free(directory->blocks[at].entries);
    directory->block_count--;
    memmove(directory->blocks + at, directory->blocks + at + 1,
            (directory->block_count - at) * sizeof *directory->blocks);
}

void tree_directory_remove(struct tree_directory *directory, struct tree_entry *entry)
{
    size_t number = find_block(directory, entry->name);
    struct tree_block *block = &directory->blocks[number];
    size_t at = (size_t)(entry - block->entries);
    free(entry->name);
    directory->count--;
    block->count--;
    memmove(entry, entry + 1, (block->count - at) * sizeof *entry);
    if (block->count == 0)
        remove_block(directory, number);
}

static void filter_block(struct tree_block *block, bool (*keep)(struct tree_entry *entry, void *data),
                         void *data)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        if (keep(&block->entries[i], data))
            block->entries[kept++] = block->entries[i];
        else
            free(block->entries[i].name);
    }
    block->count = kept;
}

void tree_directory_filter(struct tree_directory *directory,
                           bool (*keep)(struct tree_entry *entry, void *data), void *data)
{
    size_t kept = 0;
    directory->count = 0;
    for (size_t i = 0; i < directory->block_count; i++) {
        struct tree_block block = directory->blocks[i];
        filter_block(&block, keep, data);
        directory->count += block.count;
        if (block.count)
            directory->blocks[kept++] = block;
        else
            free(block.entries);
    }
    directory->block_count = kept;
}

/* ---- walking ---- */

struct tree_entry *tree_directory_next(const struct tree_directory *directory, struct tree_place *place)
{
    if (place->block < directory->block_count && place->index == directory->blocks[place->block].count)
        *place = (struct tree_place){.block = place->block + 1};
    return place->block < directory->block_count ? &directory->blocks[place->block].entries[place->index++]
                                                 : NULL;
}
