/* SPDX-License-Identifier: Apache-2.0 */
/* Index, manifest and configuration of an image. image/layer.c reads the layers. */
#include "image/oci.h"

#include "base/cleanup.h"
#include "proto/job_spec.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Registries refuse manifests larger than 4 MiB (OCI distribution-spec). */
#define DOCUMENT_BYTES_MAX (4u << 20)
#define INDEX_DEPTH_MAX 4
#define REFERENCE "org.opencontainers.image.ref.name"

struct descriptor {
    char digest[PE_SHA256_DIGEST_SIZE];
    uint64_t size;
    const char *media_type; /* of the document; "" when unknown */
};

void oci_image_free(struct oci_image *image)
{
    for (size_t i = 0; i < image->layer_count; i++)
        free(image->layers[i].file);
    free(image->layers);
    json_decref(image->config);
    *image = (struct oci_image){0};
}

const char *oci_architecture(const char *name)
{
    static const char *const names[][2] = {{"x86_64", "amd64"},
                                           {"aarch64", "arm64"},
                                           {"i686", "386"},
                                           {"armv7l", "arm/v7"},
                                           {"ppc64le", "ppc64le"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i][0]))
            return names[i][1];
    return name;
}

/* ---- documents ---- */

static json_t *parse(const struct pe_buf *text, const char *name, struct pe_error *err)
{
    json_error_t where;
    json_t *json = json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        pe_fail(err, PE_ERR_MALFORMED, "%s is not valid JSON: line %d: %s", name, where.line, where.text);
    return json;
}

static json_t *read_document(const struct source *source, const char *name, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    return source_read_file(source, name, DOCUMENT_BYTES_MAX, &text, err) < 0 ? NULL
                                                                              : parse(&text, name, err);
}

static int blob_name(const char *digest, char *name, size_t size, struct pe_error *err)
{
    if (!pe_sha256_digest_valid(digest))
        return pe_fail(err, PE_ERR_INVALID, "digest '%.80s' is not sha256:<64 hex digits>", digest);
    snprintf(name, size, "blobs/sha256/%s", digest + strlen("sha256:"));
    return 0;
}

static json_t *read_blob(const struct source *source, const struct descriptor *descriptor,
                         struct pe_error *err)
{
    char name[96], digest[PE_SHA256_DIGEST_SIZE];
    pe_autobuf struct pe_buf text = {0};
    if (blob_name(descriptor->digest, name, sizeof name, err) < 0 ||
        source_read_file(source, name, DOCUMENT_BYTES_MAX, &text, err) < 0 ||
        pe_sha256_digest(text.data, text.size, digest, err) < 0)
        return NULL;
    if (strcmp(digest, descriptor->digest) != 0 || text.size != descriptor->size) {
        pe_fail(err, PE_ERR_INVALID,
                "%s has %zu bytes with digest %s, but %llu bytes with the digest in its name were expected",
                name, text.size, digest, (unsigned long long)descriptor->size);
        return NULL;
    }
    return parse(&text, name, err);
}

static int read_descriptor(const json_t *json, struct descriptor *descriptor, struct pe_error *err)
{
    const char *digest = json_string_value(json_object_get(json, "digest"));
    const char *type = json_string_value(json_object_get(json, "mediaType"));
    const json_t *size = json_object_get(json, "size");
    if (!digest || !pe_sha256_digest_valid(digest))
        return pe_fail(err, PE_ERR_MALFORMED, "a descriptor's digest is not sha256:<64 hex digits>");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "the descriptor of %s has no valid size", digest);
    *descriptor =
        (struct descriptor){.size = (uint64_t)json_integer_value(size), .media_type = type ? type : ""};
    memcpy(descriptor->digest, digest, PE_SHA256_DIGEST_SIZE);
    return 0;
}

/* ---- choosing from an index ---- */

static bool is_index(const char *media_type)
{
    return strstr(media_type, "image.index") || strstr(media_type, "manifest.list");
}

static bool matches_architecture(const json_t *descriptor, const char *wanted)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    const char *architecture = json_string_value(json_object_get(platform, "architecture"));
    const char *os = json_string_value(json_object_get(platform, "os"));
    const char *variant = json_string_value(json_object_get(platform, "variant"));
    if (!architecture)
        return true;
    size_t size = strcspn(wanted, "/");
    if (strncmp(architecture, wanted, size) != 0 || architecture[size] || (os && strcmp(os, "linux") != 0))
        return false;
    return !wanted[size] || (variant && !strcmp(variant, wanted + size + 1));
}

static bool matches_reference(const json_t *descriptor, const char *wanted)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(descriptor, "annotations"), REFERENCE));
    return !wanted || (name && !strcmp(name, wanted));
}

/* Fail with a message that lists the images of an index. */
static int fail_choice(const json_t *manifests, const struct oci_choice *choice, size_t fitting,
                       struct pe_error *err)
{
    pe_fail(err, PE_ERR_NOT_FOUND,
            "%s for %s%s%s; available:", fitting ? "there are several images" : "there is no image",
            choice->architecture, choice->reference ? " named " : "",
            choice->reference ? choice->reference : "");
    size_t used = strlen(err->message), i = 0;
    const json_t *descriptor = NULL;
    json_array_foreach(manifests, i, descriptor)
    {
        const json_t *platform = json_object_get(descriptor, "platform");
        const char *architecture = json_string_value(json_object_get(platform, "architecture"));
        const char *name =
            json_string_value(json_object_get(json_object_get(descriptor, "annotations"), REFERENCE));
        if (used < sizeof err->message)
            used += (size_t)snprintf(err->message + used, sizeof err->message - used, "%s %s%s%s",
                                     i ? "," : "", name ? name : "", name ? " " : "",
                                     architecture ? architecture : "(any architecture)");
    }
    return -1;
}

/* Find the one descriptor of an index that matches the choice. */
static int choose(const json_t *index, const struct oci_choice *choice, const json_t **chosen,
                  struct pe_error *err)
{
    const json_t *manifests = json_object_get(index, "manifests");
    if (!json_is_array(manifests))
        return pe_fail(err, PE_ERR_MALFORMED, "the index has no array 'manifests'");
    size_t fitting = 0, i = 0;
    const json_t *descriptor = NULL;
    json_array_foreach(manifests, i, descriptor)
    {
        if (!matches_architecture(descriptor, choice->architecture) ||
            !matches_reference(descriptor, choice->reference))
            continue;
        fitting++;
        *chosen = descriptor;
    }
    return fitting == 1 ? 0 : fail_choice(manifests, choice, fitting, err);
}

/* ---- configuration ---- */

static int check_config(const json_t *config, const char *architecture, struct pe_error *err)
{
    const char *os = json_string_value(json_object_get(config, "os"));
    const char *actual = json_string_value(json_object_get(config, "architecture"));
    size_t size = strcspn(architecture, "/");
    if (os && strcmp(os, "linux") != 0)
        return pe_fail(err, PE_ERR_INVALID, "the image is for the operating system '%s', not for Linux", os);
    if (actual && (strncmp(actual, architecture, size) != 0 || actual[size]))
        return pe_fail(err, PE_ERR_INVALID,
                       "the image is for the architecture '%s', not '%s'; --arch chooses another one", actual,
                       architecture);
    return 0;
}

static int read_diff_ids(struct oci_image *image, struct pe_error *err)
{
    const json_t *ids = json_object_get(json_object_get(image->config, "rootfs"), "diff_ids");
    if (json_array_size(ids) != image->layer_count)
        return pe_fail(err, PE_ERR_INVALID, "the configuration lists %zu layers, but the manifest lists %zu",
                       json_array_size(ids), image->layer_count);
    for (size_t i = 0; i < image->layer_count; i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        if (!id || !pe_sha256_digest_valid(id))
            return pe_fail(err, PE_ERR_MALFORMED, "diff id %zu is not sha256:<64 hex digits>", i + 1);
        memcpy(image->layers[i].diff_id, id, PE_SHA256_DIGEST_SIZE);
    }
    return 0;
}

static int make_layers(struct oci_image *image, const json_t *layers, struct pe_error *err)
{
    size_t count = json_array_size(layers);
    if (!json_is_array(layers) || count == 0 || count > OCI_LAYERS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "the manifest must have 1 to %u layers", OCI_LAYERS_MAX);
    image->layers = calloc(count, sizeof *image->layers);
    if (!image->layers)
        return pe_fail_errno(err, "out of memory for %zu layers", count);
    image->layer_count = count;
    return 0;
}

/* ---- OCI layouts ---- */

static int read_layer(const json_t *json, struct oci_layer *layer, struct pe_error *err)
{
    struct descriptor descriptor = {.media_type = ""};
    char name[96];
    if (read_descriptor(json, &descriptor, err) < 0 ||
        blob_name(descriptor.digest, name, sizeof name, err) < 0)
        return -1;
    if (!strstr(descriptor.media_type, "tar") || strstr(descriptor.media_type, "encrypted") ||
        strstr(descriptor.media_type, "foreign") || strstr(descriptor.media_type, "nondistributable"))
        return pe_fail(err, PE_ERR_INVALID,
                       "layer %s has the media type '%.100s'; only tar layers that are part of the image can "
                       "be imported",
                       descriptor.digest, descriptor.media_type);
    memcpy(layer->digest, descriptor.digest, PE_SHA256_DIGEST_SIZE);
    layer->size = descriptor.size;
    layer->file = strdup(name);
    return layer->file ? 0 : pe_fail_errno(err, "out of memory for %s", name);
}

static int read_manifest(const struct source *source, const json_t *manifest, const struct oci_choice *choice,
                         struct oci_image *image, struct pe_error *err)
{
    struct descriptor config = {.media_type = ""};
    const json_t *layers = json_object_get(manifest, "layers");
    if (make_layers(image, layers, err) < 0 ||
        read_descriptor(json_object_get(manifest, "config"), &config, err) < 0 ||
        !(image->config = read_blob(source, &config, err)))
        return -1;
    memcpy(image->config_digest, config.digest, PE_SHA256_DIGEST_SIZE);
    for (size_t i = 0; image->layers && i < image->layer_count; i++)
        if (read_layer(json_array_get(layers, i), &image->layers[i], err) < 0)
            return -1;
    return check_config(image->config, choice->architecture, err) < 0 ? -1 : read_diff_ids(image, err);
}

static int read_layout(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
                       struct pe_error *err)
{
    pe_autojson json_t *document = read_document(source, "index.json", err);
    struct oci_choice below = *choice;
    for (int depth = 0; document && depth < INDEX_DEPTH_MAX; depth++) {
        const json_t *chosen = NULL;
        struct descriptor descriptor = {.media_type = ""};
        if (choose(document, &below, &chosen, err) < 0 || read_descriptor(chosen, &descriptor, err) < 0)
            return -1;
        bool index = is_index(descriptor.media_type);
        json_t *next = read_blob(source, &descriptor, err);
        json_decref(document);
        document = next;
        if (!document)
            return -1;
        if (!index && !json_object_get(document, "manifests"))
            return read_manifest(source, document, choice, image, err);
        below.reference = NULL; /* only the outermost index has names */
    }
    return document
               ? pe_fail(err, PE_ERR_INVALID, "indexes are nested more than %d levels deep", INDEX_DEPTH_MAX)
               : -1;
}

/* ---- archives of docker save ---- */

static bool has_tag(const json_t *image, const char *wanted)
{
    size_t i = 0;
    const json_t *tag = NULL;
    json_array_foreach(json_object_get(image, "RepoTags"), i, tag)
    {
        if (wanted && json_is_string(tag) && !strcmp(json_string_value(tag), wanted))
            return true;
    }
    return !wanted;
}

static int choose_saved(const json_t *list, const struct oci_choice *choice, const json_t **chosen,
                        struct pe_error *err)
{
    size_t fitting = 0, i = 0;
    const json_t *image = NULL;
    json_array_foreach(list, i, image)
    {
        if (!has_tag(image, choice->reference))
            continue;
        fitting++;
        *chosen = image;
    }
    if (fitting == 1)
        return 0;
    return pe_fail(err, PE_ERR_NOT_FOUND, "the archive has %zu images%s%s; --ref chooses one by its tag",
                   fitting, choice->reference ? " with the tag " : "",
                   choice->reference ? choice->reference : "");
}

/* True if a name has a part of 64 hexadecimal digits that is not the digest. docker save, skopeo,
 * crane and kaniko name the configuration after its digest, each with something else around it. jib
 * calls it config.json. */
static bool has_other_digest(const char *name, const char *digest)
{
    size_t size = 0;
    for (const char *at = name; *at; at += size + !size) {
        size = strspn(at, "0123456789abcdef");
        if (size == 64 && memcmp(at, digest + strlen("sha256:"), size) != 0)
            return true;
    }
    return false;
}

/* Read the configuration. The layers are checked against its diff ids. */
static int read_saved_config(const struct source *source, const char *name, struct oci_image *image,
                             struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (source_read_file(source, name, DOCUMENT_BYTES_MAX, &text, err) < 0 ||
        pe_sha256_digest(text.data, text.size, image->config_digest, err) < 0)
        return -1;
    if (has_other_digest(name, image->config_digest))
        return pe_fail(err, PE_ERR_INVALID, "%s has the digest %s, which is not the one in its name", name,
                       image->config_digest);
    image->config = parse(&text, name, err);
    return image->config ? 0 : -1;
}

static int read_saved(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
                      struct pe_error *err)
{
    pe_autojson json_t *list = read_document(source, "manifest.json", err);
    const json_t *chosen = NULL;
    if (!list || choose_saved(list, choice, &chosen, err) < 0)
        return -1;
    const char *config = json_string_value(json_object_get(chosen, "Config"));
    const json_t *layers = json_object_get(chosen, "Layers");
    if (!config)
        return pe_fail(err, PE_ERR_MALFORMED, "manifest.json has no string 'Config'");
    if (make_layers(image, layers, err) < 0 || read_saved_config(source, config, image, err) < 0)
        return -1;
    for (size_t i = 0; i < image->layer_count; i++) {
        const char *name = json_string_value(json_array_get(layers, i));
        if (!name)
            return pe_fail(err, PE_ERR_MALFORMED, "layer %zu of manifest.json is not a string", i + 1);
        if (!(image->layers[i].file = strdup(name)))
            return pe_fail_errno(err, "out of memory for %s", name);
    }
    return check_config(image->config, choice->architecture, err) < 0 ? -1 : read_diff_ids(image, err);
}

int oci_read(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
             struct pe_error *err)
{
    *image = (struct oci_image){0};
    if (source_has_file(source, "index.json"))
        return read_layout(source, choice, image, err);
    if (source_has_file(source, "manifest.json"))
        return read_saved(source, choice, image, err);
    return pe_fail(
        err, PE_ERR_INVALID,
        "this is not an image: there is neither index.json (OCI layout) nor manifest.json (docker save)");
}
