/* SPDX-License-Identifier: Apache-2.0 */
/* Looking through the members of an archive for the documents of an image. image/oci.c reads them
 * again later, and completely. */
#include "image/archive_kind.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "image/oci_document.h"
#include "image/packed_tar.h"
#include "image/tree.h"
#include "proto/job_spec.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* An image has a few hundred layers at most, and each consists of up to three files. What has more
 * members is a root filesystem. */
#define MEMBERS_MAX 10000u
#define READ_BYTES 65536u

struct findings {
    bool document;       /* a document of an image at the top level */
    bool named_document; /* a file that has the name of one */
    bool only_image_names;
    bool repositories, old_layer; /* what Docker before 1.10 wrote */
    bool several_folders;
    char folder[PATH_MAX];   /* first component of the first name */
    bool document_in_folder; /* below `folder` */
};

/* ---- names ---- */

static bool is_hex(const char *text, size_t size)
{
    return size == 64 && strspn(text, "0123456789abcdef") >= 64;
}

/* True if the first component of a path is one that only archives of images have. */
static bool belongs_to_image(const char *path)
{
    static const char *const names[] = {"oci-layout",   "index.json", "manifest.json",
                                        "repositories", "blobs",      "pe.json"};
    size_t size = strcspn(path, "/");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (size == strlen(names[i]) && !memcmp(path, names[i], size))
            return true;
    /* docker save writes a directory per layer and the configuration as <hex>.json; skopeo writes
     * <hex>.tar. */
    const char *dot = memchr(path, '.', size);
    return is_hex(path, dot ? (size_t)(dot - path) : size) &&
           (!dot || !strncmp(dot, ".json", 5) || !strncmp(dot, ".tar", 4));
}

static bool is_document_name(const char *path)
{
    return !strcmp(path, "manifest.json") || !strcmp(path, "index.json") || !strcmp(path, "oci-layout");
}

/* ---- documents ---- */

/* The manifest.json of docker save is an array of objects with "Config" and "Layers". */
static bool is_saved_manifest(const json_t *json)
{
    size_t i = 0;
    const json_t *image = NULL;
    json_array_foreach(json, i, image)
    {
        if (!json_is_string(json_object_get(image, "Config")) ||
            !json_is_array(json_object_get(image, "Layers")))
            return false;
    }
    return json_array_size(json) > 0;
}

static bool is_document(const char *name, const json_t *json)
{
    if (!strcmp(name, "manifest.json"))
        return is_saved_manifest(json);
    if (!strcmp(name, "index.json"))
        return json_is_array(json_object_get(json, "manifests"));
    return json_is_string(json_object_get(json, "imageLayoutVersion"));
}

/* Read the current member, up to the largest size that a document may have. */
static int read_member(struct archive *archive, const char *name, struct pe_buf *text, struct pe_error *err)
{
    char chunk[READ_BYTES];
    for (;;) {
        la_ssize_t n = archive_read_data(archive, chunk, sizeof chunk);
        if (n < 0)
            return packed_tar_fail(archive, name, err);
        if (n == 0 || text->size + (size_t)n > OCI_DOCUMENT_BYTES_MAX)
            return 0;
        if (pe_buf_append(text, chunk, (size_t)n, err) < 0)
            return -1;
    }
}

static int check_document(struct archive *archive, const char *archive_name, const char *name, bool *valid,
                          struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (read_member(archive, archive_name, &text, err) < 0)
        return -1;
    struct pe_error ignored;
    pe_autojson json_t *json = oci_parse_document(&text, name, &ignored);
    *valid |= is_document(name, json);
    return 0;
}

/* ---- the archive ---- */

static int look_at(struct archive *archive, const char *archive_name, struct archive_entry *entry,
                   struct findings *found, struct pe_error *err)
{
    char path[PATH_MAX];
    struct pe_error ignored;
    const char *name = archive_entry_pathname(entry);
    if (!name || tree_clean_path(name, path, &ignored) < 0) {
        found->only_image_names = false;
        found->several_folders = true;
        return 0;
    }
    size_t first = strcspn(path, "/");
    if (!*path)
        return 0;
    if (!*found->folder)
        memcpy(found->folder, path, first); /* the rest is zero */
    found->several_folders |= strncmp(found->folder, path, first) != 0 || found->folder[first];
    found->only_image_names &= belongs_to_image(path);
    found->repositories |= !strcmp(path, "repositories");
    found->old_layer |= is_hex(path, first) && !strcmp(path + first, "/layer.tar");
    const char *inside = path[first] ? path + first + 1 : path;
    if (archive_entry_filetype(entry) != S_IFREG || !is_document_name(inside))
        return 0;
    found->named_document |= inside == path;
    return check_document(archive, archive_name, inside,
                          inside == path ? &found->document : &found->document_in_folder, err);
}

static int decide(const struct findings *found, const char *name, enum archive_kind *kind,
                  struct pe_error *err)
{
    *kind = found->document || (found->named_document && found->only_image_names) ? ARCHIVE_OF_IMAGE
                                                                                  : ARCHIVE_OF_ROOTFS;
    if (*kind == ARCHIVE_OF_IMAGE)
        return 0;
    if (found->repositories && found->old_layer)
        return pe_fail(
            err, PE_ERR_INVALID,
            "%s is an image as Docker before version 1.10 saved it: it has the file 'repositories' "
            "but no manifest.json; load it with a newer Docker or Podman, and save it again",
            name);
    if (found->document_in_folder && !found->several_folders)
        return pe_fail(err, PE_ERR_INVALID,
                       "%s has an image in its folder '%.200s', and nothing else; pack the contents of that "
                       "folder, as in tar -C %.200s -cf image.tar .",
                       name, found->folder, found->folder);
    return 0;
}

int archive_find_kind(int fd, const char *name, uint64_t bytes_max, enum archive_kind *kind,
                      struct pe_error *err)
{
    struct findings found = {.only_image_names = true};
    pe_autotar struct archive *archive = packed_tar_open(fd, name, err);
    if (!archive)
        return -1;
    struct archive_entry *entry = NULL;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        int got = packed_tar_next(archive, name, bytes_max, &entry, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        if (look_at(archive, name, entry, &found, err) < 0)
            return -1;
    }
    return decide(&found, name, kind, err);
}
