/* SPDX-License-Identifier: Apache-2.0 */
/* The image store, as `pe-worker doctor` looks at it: which images a worker would offer, whether their files
 * are those that the catalog names, and whether those that it is to keep warm are there. */
#include "worker/doctor_store.h"

#include "base/cleanup.h"
#include "codec/sha256.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

/* Compare a root file system with the digest in its catalog entry, which is also the name of its folder. */
static int check_digest(const char *store, const struct pe_image *image, struct pe_error *err)
{
    char path[64], digest[PE_SHA256_DIGEST_SIZE];
    pe_autoclose int fd = pe_store_open_rootfs(store, image, err);
    if (fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (pe_sha256_file_digest(path, digest, err) < 0)
        return -1;
    if (!strcmp(digest, image->digest))
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "the file of the image %s has another digest, %s, than its catalog entry; remove the image "
        "with `pe-image rm` and get it again",
        image->name, digest);
}

/* Whether an image before this one has the same file, which then needs no second look. */
static bool was_seen(const struct pe_store_images *images, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!strcmp(images->items[i].digest, images->items[index].digest))
            return true;
    return false;
}

static void say_digests(struct doctor_report *report, const char *store, const struct pe_store_images *images)
{
    struct pe_error why;
    size_t damaged = 0;
    for (size_t i = 0; i < images->count; i++) {
        if (was_seen(images, i) || check_digest(store, &images->items[i], &why) == 0)
            continue;
        damaged++;
        doctor_say(report, DOCTOR_MISSING, "store.digests", "digests: %s", why.message);
    }
    if (!damaged)
        doctor_say(report, DOCTOR_OK, "store.digests",
                   "digests: each image has the one in its catalog entry");
}

static void say_warm(struct doctor_report *report, const struct worker_config *config,
                     const struct pe_store_images *images)
{
    struct pe_error why;
    for (size_t i = 0; i < config->warm.count; i++)
        if (!pe_store_find(images, config->warm.images[i], &why))
            doctor_say(report, DOCTOR_MISSING, "store.warm", "--warm %s: %s; `pe-image` adds images",
                       config->warm.images[i], why.message);
}

void doctor_say_store(struct doctor_report *report, const struct worker_config *config)
{
    struct pe_error why;
    pe_autostoreimages struct pe_store_images images = {0};
    size_t usable = 0;
    doctor_section(report, "The image store");
    if (pe_store_list(config->store, &images, &why) < 0) {
        doctor_say_unusable(report, "store.images", "images: %s", why.message);
        return;
    }
    for (size_t i = 0; i < images.count; i++)
        if (pe_store_check_links(config->store, &images.items[i], &why) < 0)
            doctor_say(report, DOCTOR_MISSING, "store.links", "%s", why.message);
        else
            usable++;
    if (usable)
        doctor_say(report, DOCTOR_OK, "store.images", "images: %zu in %s", usable, config->store);
    else
        doctor_say_unusable(report, "store.images", "images: none in %s; `pe-image` adds images",
                            config->store);
    say_warm(report, config, &images);
    if (images.count)
        say_digests(report, config->store, &images);
}
