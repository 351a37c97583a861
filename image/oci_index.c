/* SPDX-License-Identifier: Apache-2.0 */
/* The images of all nested indexes are collected in a list first. Choosing from the list needs no
 * documents. */
#include "image/oci_index.h"

#include "base/cleanup.h"
#include "proto/job_spec.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 4
/* A limit for the work that a hostile index causes. Layouts that mirror a repository have hundreds
 * of descriptors. */
#define DESCRIPTORS_MAX 10000u
#define NAME_MAX_BYTES 256u

struct candidate {
    struct oci_descriptor descriptor;
    struct platform platform;
    char os[24];
    char name[NAME_MAX_BYTES]; /* of the descriptor in the outermost index; "" when it has none */
};

struct candidates {
    const struct source *source; /* NULL: only descriptors with a platform are used */
    struct candidate *items;     /* owned */
    size_t count, capacity;
    size_t visited; /* descriptors, also of other things than images */
};

static void free_candidates(struct candidates *list)
{
    free(list->items);
}

/* ---- what a descriptor is ---- */

static bool is_index_type(const char *media_type)
{
    return strstr(media_type, "image.index") || strstr(media_type, "manifest.list");
}

static bool is_manifest_type(const char *media_type)
{
    return !*media_type || strstr(media_type, "image.manifest") ||
           strstr(media_type, "distribution.manifest.v2");
}

bool oci_is_layer_type(const char *media_type)
{
    return strstr(media_type, "tar") && !strstr(media_type, "encrypted") && !strstr(media_type, "foreign") &&
           !strstr(media_type, "nondistributable");
}

static const char *annotation(const json_t *descriptor, const char *key)
{
    return json_string_value(json_object_get(json_object_get(descriptor, "annotations"), key));
}

/* BuildKit stores attestations as manifests beside the image's own. */
static bool is_attestation(const json_t *descriptor)
{
    const char *architecture =
        json_string_value(json_object_get(json_object_get(descriptor, "platform"), "architecture"));
    return annotation(descriptor, "vnd.docker.reference.type") ||
           (architecture && !strcmp(architecture, "unknown"));
}

/* True if a manifest describes a container image. A signature of cosign has an image's
 * configuration, but layers of another type; a chart of Helm has layers in tars, but another
 * configuration. */
static bool is_image(const json_t *manifest)
{
    static const char *const types[] = {"application/vnd.oci.image.config.v1+json",
                                        "application/vnd.docker.container.image.v1+json"};
    const char *config = json_string_value(json_object_get(json_object_get(manifest, "config"), "mediaType"));
    bool known = !config;
    for (size_t i = 0; config && i < sizeof types / sizeof *types; i++)
        known |= !strcmp(config, types[i]);
    size_t i = 0;
    const json_t *layer = NULL;
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        const char *type = json_string_value(json_object_get(layer, "mediaType"));
        known &= type && strstr(type, "tar");
    }
    return known;
}

/* ---- collecting ---- */

static int add_candidate(struct candidates *list, const struct oci_descriptor *descriptor,
                         const json_t *platform, const char *name, struct pe_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct candidate *items = reallocarray(list->items, capacity, sizeof *items);
        if (!items)
            return pe_fail_errno(err, "out of memory for the images of an index");
        list->items = items;
        list->capacity = capacity;
    }
    struct candidate *item = &list->items[list->count++];
    *item = (struct candidate){.descriptor = *descriptor};
    const char *architecture = json_string_value(json_object_get(platform, "architecture"));
    const char *variant = json_string_value(json_object_get(platform, "variant"));
    const char *os = json_string_value(json_object_get(platform, "os"));
    platform_set(&item->platform, architecture ? architecture : "", variant);
    snprintf(item->os, sizeof item->os, "%s", os ? os : "linux");
    snprintf(item->name, sizeof item->name, "%s", name);
    return 0;
}

static int collect(struct candidates *list, const json_t *index, const char *name, int depth,
                   struct pe_error *err);

/* Read a document that the layout may lack: layouts may hold only some platforms of an index.
 * Returns 1 when it exists, and 0 when it does not. */
static int read_if_present(const struct candidates *list, const struct oci_descriptor *descriptor,
                           json_t **document, struct pe_error *err)
{
    struct pe_error failure;
    *document = oci_read_blob(list->source, descriptor, &failure);
    if (*document || failure.kind == PE_ERR_NOT_FOUND)
        return *document != NULL;
    *err = failure;
    return -1;
}

/* Add what a descriptor without a platform refers to. An image's configuration says for what it
 * is. */
static int collect_document(struct candidates *list, const struct oci_descriptor *descriptor,
                            const char *name, int depth, struct pe_error *err)
{
    pe_autojson json_t *document = NULL, *config = NULL;
    struct oci_descriptor below;
    int present = read_if_present(list, descriptor, &document, err);
    if (present <= 0)
        return present;
    if (is_index_type(descriptor->media_type) || json_object_get(document, "manifests"))
        return collect(list, document, name, depth + 1, err);
    if (!is_image(document))
        return 0;
    if (oci_read_descriptor(json_object_get(document, "config"), &below, err) < 0)
        return -1;
    present = read_if_present(list, &below, &config, err);
    return present <= 0 ? present : add_candidate(list, descriptor, config, name, err);
}

static int collect_descriptor(struct candidates *list, const json_t *json, const char *inherited, int depth,
                              struct pe_error *err)
{
    struct oci_descriptor descriptor;
    if (list->visited++ >= DESCRIPTORS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the index has more than %u descriptors", DESCRIPTORS_MAX);
    if (oci_read_descriptor(json, &descriptor, err) < 0)
        return -1;
    bool index = is_index_type(descriptor.media_type);
    if (is_attestation(json) || (!index && !is_manifest_type(descriptor.media_type)))
        return 0;
    const char *full = annotation(json, "io.containerd.image.name");
    const char *name = full ? full : annotation(json, "org.opencontainers.image.ref.name");
    const json_t *platform = json_object_get(json, "platform");
    if (depth > 0 || !name)
        name = inherited;
    if (!index && json_is_string(json_object_get(platform, "architecture")))
        return add_candidate(list, &descriptor, platform, name, err);
    return list->source ? collect_document(list, &descriptor, name, depth, err) : 0;
}

static int collect(struct candidates *list, const json_t *index, const char *name, int depth,
                   struct pe_error *err)
{
    size_t i = 0;
    const json_t *descriptor = NULL, *manifests = json_object_get(index, "manifests");
    if (depth >= DEPTH_MAX)
        return pe_fail(err, PE_ERR_INVALID, "indexes are nested more than %d levels deep", DEPTH_MAX);
    if (!json_is_array(manifests))
        return pe_fail(err, PE_ERR_MALFORMED, "the index has no array 'manifests'");
    json_array_foreach(manifests, i, descriptor)
    {
        if (collect_descriptor(list, descriptor, name, depth, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- choosing ---- */

/* True if the name is the wanted one. containerd and Docker store complete names, so
 * docker.io/library/gcc:14 is also gcc:14. */
static bool is_named(const char *name, const char *wanted)
{
    static const char *const prefixes[] = {"", "docker.io/", "docker.io/library/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i])) && !strcmp(name + strlen(prefixes[i]), wanted))
            return true;
    /* The tag alone is what org.opencontainers.image.ref.name has. */
    const char *tag = strrchr(name, ':');
    return tag && !strcmp(tag + 1, wanted);
}

static unsigned fitness(const struct candidate *candidate, const struct oci_choice *choice)
{
    if (strcmp(candidate->os, "linux") != 0 ||
        (choice->reference && !is_named(candidate->name, choice->reference)))
        return 0;
    return platform_fitness(&candidate->platform, &choice->machine);
}

/* Fail with a message that lists the images of an index. */
static int fail_choice(const struct candidates *list, const struct oci_choice *choice, const char *problem,
                       struct pe_error *err)
{
    char wanted[PLATFORM_TEXT_MAX], text[PLATFORM_TEXT_MAX];
    platform_print(&choice->machine, wanted);
    pe_fail(err, PE_ERR_NOT_FOUND, "%s for %s%s%s; available:%s", problem, wanted,
            choice->reference ? " named " : "", choice->reference ? choice->reference : "",
            list->count ? "" : " nothing, because the index has no container images");
    size_t used = strlen(err->message);
    for (size_t i = 0; i < list->count && used < sizeof err->message; i++) {
        const struct candidate *item = &list->items[i];
        bool other_os = strcmp(item->os, "linux") != 0;
        platform_print(&item->platform, text);
        used += (size_t)snprintf(err->message + used, sizeof err->message - used, "%s %s%s%s%s%s",
                                 i ? "," : "", item->name, *item->name ? " " : "", other_os ? item->os : "",
                                 other_os ? " " : "", *text ? text : "(no architecture)");
    }
    return -1;
}

/* True if one of the images of this name is the chosen one. */
static bool name_has_digest(const struct candidates *list, const char *name, const struct candidate *chosen)
{
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].name, name) &&
            !strcmp(list->items[i].descriptor.digest, chosen->descriptor.digest))
            return true;
    return false;
}

/* Returns NULL on failure. */
static const struct candidate *choose(const struct candidates *list, const struct oci_choice *choice,
                                      struct pe_error *err)
{
    unsigned best = 0;
    const struct candidate *chosen = NULL;
    for (size_t i = 0; i < list->count; i++) {
        unsigned fit = fitness(&list->items[i], choice);
        if (fit > best) {
            best = fit;
            chosen = &list->items[i];
        }
    }
    if (!chosen) {
        (void)fail_choice(list, choice, "there is no image", err);
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct candidate *other = &list->items[i];
        if (strcmp(other->name, chosen->name) != 0 && fitness(other, choice) > 0 &&
            !name_has_digest(list, other->name, chosen)) {
            (void)fail_choice(list, choice, "there are several images", err);
            return NULL;
        }
    }
    return chosen;
}

int oci_index_choose(const struct source *source, const json_t *index, const struct oci_choice *choice,
                     struct oci_descriptor *chosen, struct pe_error *err)
{
    __attribute__((cleanup(free_candidates))) struct candidates list = {.source = source};
    const struct candidate *candidate =
        collect(&list, index, "", 0, err) < 0 ? NULL : choose(&list, choice, err);
    if (!candidate)
        return -1;
    *chosen = candidate->descriptor;
    return 0;
}

int oci_index_choose_platform(const json_t *index, const struct oci_choice *choice, struct platform *platform,
                              struct pe_error *err)
{
    __attribute__((cleanup(free_candidates))) struct candidates list = {.source = NULL};
    const struct candidate *candidate =
        collect(&list, index, "", 0, err) < 0 ? NULL : choose(&list, choice, err);
    if (!candidate)
        return -1;
    *platform = candidate->platform;
    return 0;
}
