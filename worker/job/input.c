/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of the input device and the list of its entries. The file system's format is in
 * worker/job/squashfs_input.c. */
#include "worker/job/input.h"

#include "base/cleanup.h"
#include "proto/limits.h"
#include "worker/job/squashfs_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int input_begin(struct input *input, struct memfile *device, const struct pe_parts *files,
                const char *stdin_name, struct pe_error *err)
{
    *input = (struct input){.device = device, .files = files, .stdin_name = stdin_name};
    if (files->count > PE_INPUT_FILES_MAX || pe_parts_size(files) > PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "the job has %zu files with %llu bytes, which is more than allowed", files->count,
                       (unsigned long long)pe_parts_size(files));
    input->offsets = calloc(files->count + 1, sizeof *input->offsets);
    if (!input->offsets)
        return pe_fail_errno(err, "out of memory for the input of %zu files", files->count);
    uint64_t at = SQUASHFS_INPUT_DATA_START;
    for (size_t i = 0; i < files->count; i++) {
        input->offsets[i] = at;
        at += files->items[i].size;
    }
    input->filled = SQUASHFS_INPUT_DATA_START;
    input->body_end = at;
    return 0;
}

int input_append(struct input *input, const void *bytes, size_t size, struct pe_error *err)
{
    if (size > input->body_end - input->filled)
        return pe_fail(err, PE_ERR_MALFORMED, "the job has more bytes than its parts announced");
    memcpy(input->device->bytes + input->filled, bytes, size);
    input->filled += size;
    return 0;
}

/* A form upload carries no permission bits. Scripts and programs are made executable by their first
 * bytes. */
static uint32_t mode_of(const uint8_t *bytes, uint64_t size)
{
    int runs = (size >= 2 && !memcmp(bytes, "#!", 2)) || (size >= 4 && !memcmp(bytes, "\177ELF", 4));
    return runs ? 0755 : 0644;
}

/* The entries of the file system under construction. Every path is in `paths`. */
struct listing {
    struct squashfs_input_file *files; /* owned */
    size_t count;
    char *paths; /* owned */
    size_t used;
};

static void listing_free(struct listing *listing)
{
    free(listing->files);
    free(listing->paths);
}

static void add_entry(struct listing *listing, const char *directory, const char *name, uint64_t offset,
                      uint64_t size, uint32_t mode)
{
    char *path = listing->paths + listing->used;
    listing->used += (size_t)sprintf(path, "%s%s", directory, name) + 1;
    listing->files[listing->count++] =
        (struct squashfs_input_file){.path = path, .offset = offset, .size = size, .mode = mode};
}

/* Copy bytes behind those that are in the device already. */
static int append_bytes(struct input *input, const struct pe_buf *bytes, uint64_t *offset,
                        struct pe_error *err)
{
    if (bytes->size > input->device->size - input->filled)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the input does not fit into its device");
    *offset = input->filled;
    if (bytes->size)
        memcpy(input->device->bytes + input->filled, bytes->data, bytes->size);
    input->filled += bytes->size;
    return 0;
}

/* Add the job's files, and `stdin`, which shares the bytes of one of them. */
static void add_user_files(const struct input *input, struct listing *listing)
{
    const char *stdin_name = input->stdin_name;
    add_entry(listing, "dir/", "", 0, 0, 0);
    for (size_t i = 0; i < input->files->count; i++) {
        const struct pe_part *file = &input->files->items[i];
        uint32_t mode = mode_of(input->device->bytes + input->offsets[i], file->size);
        add_entry(listing, "dir/", file->path.text, input->offsets[i], file->size, mode);
        if (stdin_name && !strcmp(stdin_name, file->path.text)) {
            add_entry(listing, "", "stdin", input->offsets[i], file->size, 0644);
            stdin_name = NULL;
        }
    }
}

static int listing_make(struct listing *listing, const struct input *input, struct pe_error *err)
{
    size_t text = 64;
    for (size_t i = 0; i < input->files->count; i++)
        text += input->files->items[i].path.length + sizeof "dir/";
    listing->files = calloc(input->files->count + 6, sizeof *listing->files);
    listing->paths = malloc(text);
    return listing->files && listing->paths
               ? 0
               : pe_fail_errno(err, "out of memory for a list of %zu files", input->files->count);
}

/* Add a text to the root folder. Its bytes follow those of the job's files. */
static int add_text(struct input *input, struct listing *listing, const char *name, const struct pe_buf *text,
                    struct pe_error *err)
{
    uint64_t offset = 0;
    if (append_bytes(input, text, &offset, err) < 0)
        return -1;
    add_entry(listing, "", name, offset, text->size, 0644);
    return 0;
}

int input_finish(struct input *input, const struct input_texts *texts, struct pe_error *err)
{
    if (input->filled != input->body_end)
        return pe_fail(err, PE_ERR_MALFORMED, "the job has fewer bytes than its parts announced");
    __attribute__((cleanup(listing_free))) struct listing listing = {0};
    if (listing_make(&listing, input, err) < 0 ||
        add_text(input, &listing, "config.json", &texts->config, err) < 0 ||
        (texts->prewarm.size && add_text(input, &listing, "prewarm.json", &texts->prewarm, err) < 0) ||
        (texts->program.size && add_text(input, &listing, "program", &texts->program, err) < 0) ||
        add_text(input, &listing, "job", &texts->job, err) < 0)
        return -1;
    add_user_files(input, &listing);
    const struct squashfs_input_attributes attributes = {(uint32_t)time(NULL), texts->uid, texts->gid};
    int failed = squashfs_input_write(input->device->bytes, input->device->size, input->filled, listing.files,
                                      listing.count, &attributes, err);
    input->filled = input->body_end;
    return failed;
}

void input_texts_free(struct input_texts *texts)
{
    pe_buf_free(&texts->config);
    pe_buf_free(&texts->prewarm);
    pe_buf_free(&texts->program);
    pe_buf_free(&texts->job);
}

void input_free(struct input *input)
{
    free(input->offsets);
    *input = (struct input){0};
}
