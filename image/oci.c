/* SPDX-License-Identifier: Apache-2.0 */
/* Manifest and configuration of an image. image/oci_index.c chooses the image of an index, and
 * image/layer.c reads the layers. */
#include "image/oci.h"

#include "base/cleanup.h"
#include "image/oci_document.h"
#include "proto/job_spec.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void oci_image_free(struct oci_image *image)
{
    for (size_t i = 0; i < image->layer_count; i++)
        free(image->layers[i].file);
    free(image->layers);
    json_decref(image->config);
    *image = (struct oci_image){0};
}

/* ---- configuration ---- */

static int check_config(const json_t *config, const struct platform *machine, struct pe_error *err)
{
    const char *os = json_string_value(json_object_get(config, "os"));
    const char *architecture = json_string_value(json_object_get(config, "architecture"));
    char text[PLATFORM_TEXT_MAX], wanted[PLATFORM_TEXT_MAX];
    struct platform platform = {0};
    if (os && strcmp(os, "linux") != 0)
        return pe_fail(err, PE_ERR_INVALID, "the image is for the operating system '%s', not for Linux", os);
    platform_set(&platform, architecture ? architecture : "",
                 json_string_value(json_object_get(config, "variant")));
    if (!architecture || platform_fitness(&platform, machine) > 0)
        return 0;
    platform_print(&platform, text);
    platform_print(machine, wanted);
    return pe_fail(err, PE_ERR_INVALID,
                   "the image is for the architecture '%s', not '%s'; --arch chooses another one", text,
                   wanted);
}

static int read_diff_ids(struct oci_image *image, struct pe_error *err)
{
    const json_t *ids = json_object_get(json_object_get(image->config, "rootfs"), "diff_ids");
    if (json_array_size(ids) != image->layer_count)
        return pe_fail(err, PE_ERR_INVALID, "the configuration lists %zu layers, but the manifest lists %zu",
                       json_array_size(ids), image->layer_count);
    for (size_t i = 0; image->layers && i < image->layer_count; i++) {
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
    struct oci_descriptor descriptor = {0};
    char name[OCI_BLOB_NAME_MAX];
    if (oci_read_descriptor(json, &descriptor, err) < 0 || oci_blob_name(descriptor.digest, name, err) < 0)
        return -1;
    if (!oci_is_layer_type(descriptor.media_type))
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
    struct oci_descriptor config = {0};
    const json_t *layers = json_object_get(manifest, "layers");
    if (make_layers(image, layers, err) < 0 ||
        oci_read_descriptor(json_object_get(manifest, "config"), &config, err) < 0 ||
        !(image->config = oci_read_blob(source, &config, err)))
        return -1;
    memcpy(image->config_digest, config.digest, PE_SHA256_DIGEST_SIZE);
    for (size_t i = 0; image->layers && i < image->layer_count; i++)
        if (read_layer(json_array_get(layers, i), &image->layers[i], err) < 0)
            return -1;
    return check_config(image->config, &choice->machine, err) < 0 ? -1 : read_diff_ids(image, err);
}

static int read_layout(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
                       struct pe_error *err)
{
    struct oci_descriptor chosen = {0};
    pe_autojson json_t *index = oci_read_document(source, "index.json", err), *manifest = NULL;
    if (!index || oci_index_choose(source, index, choice, &chosen, err) < 0 ||
        !(manifest = oci_read_blob(source, &chosen, err)))
        return -1;
    return read_manifest(source, manifest, choice, image, err);
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

/* Fail with a message that lists the tags of an archive. */
static int fail_saved(const json_t *list, const struct oci_choice *choice, size_t fitting,
                      struct pe_error *err)
{
    size_t i = 0, j = 0;
    const json_t *image = NULL, *tag = NULL;
    pe_fail(err, PE_ERR_NOT_FOUND, "the archive has %zu images%s%s; --ref chooses one by its tag:", fitting,
            choice->reference ? " with the tag " : "", choice->reference ? choice->reference : "");
    size_t used = strlen(err->message);
    json_array_foreach(list, i, image)
    {
        json_array_foreach(json_object_get(image, "RepoTags"), j, tag)
        {
            if (json_is_string(tag) && used < sizeof err->message)
                used += (size_t)snprintf(err->message + used, sizeof err->message - used, " %s",
                                         json_string_value(tag));
        }
    }
    return -1;
}

/* One image may be listed several times, once for each tag. */
static int choose_saved(const json_t *list, const struct oci_choice *choice, const json_t **chosen,
                        struct pe_error *err)
{
    size_t fitting = 0, i = 0;
    const json_t *image = NULL;
    json_array_foreach(list, i, image)
    {
        if (!has_tag(image, choice->reference) ||
            (*chosen && json_equal(json_object_get(image, "Config"), json_object_get(*chosen, "Config"))))
            continue;
        fitting++;
        *chosen = image;
    }
    return fitting == 1 ? 0 : fail_saved(list, choice, fitting, err);
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
    if (source_read_file(source, name, OCI_DOCUMENT_BYTES_MAX, &text, err) < 0 ||
        pe_sha256_digest(text.data, text.size, image->config_digest, err) < 0)
        return -1;
    if (has_other_digest(name, image->config_digest))
        return pe_fail(err, PE_ERR_INVALID, "%s has the digest %s, which is not the one in its name", name,
                       image->config_digest);
    image->config = oci_parse_document(&text, name, err);
    return image->config ? 0 : -1;
}

static int read_saved(const struct source *source, const struct oci_choice *choice, struct oci_image *image,
                      struct pe_error *err)
{
    pe_autojson json_t *list = oci_read_document(source, "manifest.json", err);
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
    return check_config(image->config, &choice->machine, err) < 0 ? -1 : read_diff_ids(image, err);
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
