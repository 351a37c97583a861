/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of images. The input has up to nine documents, divided by lines "---". The first one is
 * index.json or, if it is an array, manifest.json. The others are blobs under their digests. In a document,
 * @N stands for the digest and the size of document N behind it, #N for its digest, and %N for its file. So
 * the references are right, whatever a document says. An image that is found has layers and their
 * digests, and its configuration becomes a catalog entry. */
#include "base/cleanup.h"
#include "codec/sha256.h"
#include "image/catalog_entry.h"
#include "image/oci.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fake_folder.h"

enum { DOCUMENTS_MAX = 9 };

struct document {
    struct pe_buf text;
    char digest[PE_SHA256_DIGEST_SIZE];
};

static void append_reference(struct pe_buf *out, char kind, const struct document *to)
{
    struct pe_error err;
    int failed = kind == '@'
                     ? pe_buf_printf(out, &err, "\"digest\":\"%s\",\"size\":%zu", to->digest, to->text.size)
                 : kind == '#' ? pe_buf_append_text(out, to->digest, &err)
                               : pe_buf_printf(out, &err, "blobs/sha256/%s", to->digest + 7);
    HOLDS(failed == 0);
}

/* Fill in the references of document `number`. Those behind it are complete. */
static void complete(struct document *documents, size_t count, size_t number, struct pe_cursor from)
{
    struct pe_error err;
    struct document *document = &documents[number];
    for (size_t i = 0; i < from.left; i++) {
        bool marked = strchr("@#%", from.at[i]) && from.at[i] && i + 1 < from.left;
        size_t to = marked ? (size_t)(from.at[i + 1] - '0') : 0;
        if (marked && to > number && to < count)
            append_reference(&document->text, (char)from.at[i++], &documents[to]);
        else
            HOLDS(pe_buf_append(&document->text, from.at + i, 1, &err) == 0);
    }
    HOLDS(pe_sha256_digest(document->text.data, document->text.size, document->digest, &err) == 0);
}

/* Split the input. Returns the number of parts. */
static size_t split(struct pe_cursor rest, struct pe_cursor parts[DOCUMENTS_MAX])
{
    size_t count = 0;
    while (count < DOCUMENTS_MAX) {
        const uint8_t *end = rest.left ? memmem(rest.at, rest.left, "\n---\n", 5) : NULL;
        parts[count++] = (struct pe_cursor){.at = rest.at, .left = end ? (size_t)(end - rest.at) : rest.left};
        if (!end)
            break;
        pe_cursor_read(&rest, parts[count - 1].left + 5);
    }
    return count;
}

static void write_documents(const struct document *documents, size_t count)
{
    char path[160];
    fake_folder_begin();
    snprintf(path, sizeof path, "%s/blobs", fake_folder);
    (void)!mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/blobs/sha256", fake_folder);
    (void)!mkdir(path, 0700);
    bool saved = documents[0].text.size && documents[0].text.data[0] == '[';
    fake_folder_write(saved ? "manifest.json" : "index.json", documents[0].text.data, documents[0].text.size);
    for (size_t i = 1; i < count; i++) {
        snprintf(path, sizeof path, "blobs/sha256/%s", documents[i].digest + 7);
        fake_folder_write(path, documents[i].text.data, documents[i].text.size);
    }
}

/* ---- what is found ---- */

static void check_entry(const json_t *config)
{
    const struct flatten_result made = {
        .rootfs_bytes = 2097152,
        .digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    pe_autojson json_t *fields = json_pack("{s:s}", "name", "image:1");
    pe_autoimage struct pe_image image = {0};
    struct pe_error err = {0};
    if (catalog_entry_add_config(fields, config, &err) < 0 ||
        catalog_entry_to_image(fields, &made, &image, &err) < 0) {
        HOLDS(err.kind);
        return;
    }
    pe_autojson json_t *json = pe_image_to_json(&image);
    HOLDS(json && !strcmp(image.name, "image:1"));
}

static void check_image(const struct oci_image *image)
{
    HOLDS(image->config && image->layer_count >= 1 && image->layer_count <= OCI_LAYERS_MAX);
    HOLDS(pe_sha256_digest_valid(image->config_digest));
    for (size_t i = 0; i < image->layer_count; i++) {
        HOLDS(image->layers[i].file && pe_sha256_digest_valid(image->layers[i].diff_id));
        HOLDS(!image->layers[i].digest[0] || pe_sha256_digest_valid(image->layers[i].digest));
    }
    check_entry(image->config);
}

static void read_image(const char *reference)
{
    struct pe_error err = {0};
    struct oci_choice choice = {.reference = reference};
    pe_autosource struct source source = {.directory = -1};
    pe_autooci struct oci_image image = {0};
    HOLDS(platform_parse("amd64/v3", &choice.machine, &err) == 0);
    HOLDS(source_open_directory(fake_folder, &source, &err) == 0);
    if (oci_read(&source, &choice, &image, &err) == 0)
        check_image(&image);
    else
        HOLDS(err.kind && err.message[0]);
}

static void choose_platform(const struct pe_buf *index)
{
    struct pe_error err = {0};
    struct platform platform;
    struct oci_choice choice = {.reference = NULL};
    char text[PLATFORM_TEXT_MAX];
    pe_autojson json_t *json =
        index->size ? json_loadb((const char *)index->data, index->size, 0, NULL) : NULL;
    HOLDS(platform_parse("arm64", &choice.machine, &err) == 0);
    if (json && oci_index_choose_platform(json, &choice, &platform, &err) == 0)
        platform_print(&platform, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor parts[DOCUMENTS_MAX];
    struct document documents[DOCUMENTS_MAX] = {0};
    size_t count = split((struct pe_cursor){.at = bytes, .left = size}, parts);
    for (size_t i = count; i-- > 0;)
        complete(documents, count, i, parts[i]);
    write_documents(documents, count);
    read_image(NULL);
    read_image("wanted");
    choose_platform(&documents[0].text);
    fake_folder_empty();
    for (size_t i = 0; i < count; i++)
        pe_buf_free(&documents[i].text);
    return 0;
}
