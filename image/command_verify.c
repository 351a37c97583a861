/* SPDX-License-Identifier: Apache-2.0 */
/* pe-image verify: compare the files of a store with the digests in the catalog. */
#include "base/cleanup.h"
#include "codec/sha256.h"
#include "codec/utf8_text.h"
#include "image/command.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Returns -1, with the reason in `fault`, for a damaged image. */
static int verify_image(const char *store, const struct pe_image *image, struct pe_error *fault)
{
    char path[PATH_MAX], digest[PE_SHA256_DIGEST_SIZE];
    struct stat info;
    pe_autoclose int fd = pe_store_open_rootfs(store, image, fault);
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &info) < 0 || (uint64_t)info.st_size != image->rootfs_bytes)
        return pe_fail(fault, PE_ERR_INVALID, "has %llu bytes, but its catalog entry says %llu",
                       (unsigned long long)info.st_size, (unsigned long long)image->rootfs_bytes);
    if (pe_sha256_file_digest(path, digest, fault) < 0)
        return -1;
    return strcmp(digest, image->digest) == 0 ? 0
                                              : pe_fail(fault, PE_ERR_INVALID, "its digest is %s", digest);
}

static bool is_selected(const struct pe_image *image, char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (pe_image_reference_matches(names[i], image->name, image->digest))
            return true;
    return count == 0;
}

/* The result of one image; `fault` is NULL if it is good. The message can have the path of the store, which
 * need not be UTF-8. */
static json_t *result_to_json(const struct pe_image *image, const struct pe_error *fault)
{
    struct pe_error ignored;
    pe_autobuf struct pe_buf text = {0};
    if ((fault && pe_utf8_append_repaired(&text, fault->message, strlen(fault->message), &ignored) < 0) ||
        pe_buf_append(&text, "", 1, &ignored) < 0)
        return NULL;
    return json_pack("{s:s, s:s, s:b, s:s}", "name", image->name, "digest", image->digest, "good", !fault,
                     "fault", (const char *)text.data);
}

/* Verify the images of these names (all when `count` is 0) and append one object per image to
 * `results`. Returns the number of damaged images; those that the results have no memory for count as
 * damaged. */
static size_t verify_images(const char *store, const struct pe_store_images *images, char *const *names,
                            int count, json_t *results, bool json)
{
    struct pe_error fault;
    size_t damaged = 0;
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *image = &images->items[i];
        if (!is_selected(image, names, count))
            continue;
        bool good = verify_image(store, image, &fault) == 0;
        bool told = json_array_append_new(results, result_to_json(image, good ? NULL : &fault)) == 0;
        damaged += !good || !told;
        if (!json)
            printf("%-24s %s\n", image->name, good ? "good" : fault.message);
    }
    return damaged;
}

int command_verify(int argc, char **argv, struct pe_error *err)
{
    struct command_store store = {0};
    bool json = false;
    const struct pe_option options[] = {COMMAND_JSON_OPTION(json), COMMAND_STORE_OPTION(store), {0}};
    const struct pe_program program = {
        .name = "pe-image verify",
        .usage = "[options] [NAME:TAG...]",
        .about = "Compare images with their digests: those named, or all of the store.",
        .options = options};
    int rest = 0;
    pe_autostoreimages struct pe_store_images images = {0};
    if (command_parse(&program, argc, argv, &store, &rest, err) < 0 ||
        pe_store_list(store.path, &images, err) < 0)
        return -1;
    for (int i = rest; i < argc; i++)
        if (!pe_store_find(&images, argv[i], err))
            return -1;
    pe_autojson json_t *results = json_array();
    size_t damaged = verify_images(store.path, &images, argv + rest, argc - rest, results, json);
    if (json && command_print_json(json_incref(results), err) < 0)
        return -1;
    return damaged ? pe_fail(err, PE_ERR_MALFORMED,
                             "%zu of %zu images are damaged; remove them or import them again", damaged,
                             json_array_size(results))
                   : 0;
}
