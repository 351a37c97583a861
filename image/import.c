/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of an import: open the source, read its documents, flatten its layers, publish the
 * result. */
#include "image/import.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/archive_kind.h"
#include "image/catalog_entry.h"
#include "image/source.h"
#include "image/store_writer.h"
#include "image/working_dir.h"
#include "proto/job_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES 65536u

/* ---- publishing ---- */

static void report_done(const struct import_options *options, const struct pe_image *image,
                        const struct flatten_result *made, uint64_t started_us)
{
    if (made->counts.dropped)
        progress_report(options->progress,
                        "skipped %llu device nodes, FIFOs and sockets; --devices keeps them",
                        (unsigned long long)made->counts.dropped);
    progress_report(
        options->progress, "imported %s: %llu files of %.1f MiB, squashfs %.1f MiB, %s, in %.1f s",
        image->name, (unsigned long long)made->counts.files, (double)made->counts.bytes / 1048576,
        (double)image->rootfs_bytes / 1048576, image->digest, (double)(pe_now_us() - started_us) / 1e6);
}

/* The options of the command line override the image's own fields. A command that does not come from
 * the image's configuration has nothing to do with the image's working directory. */
static int override(json_t *fields, json_t *overrides, struct pe_error *err)
{
    if (json_object_get(overrides, "default_cmd"))
        json_object_del(fields, "working_dir");
    return json_object_update(fields, overrides) == 0 ? 0 : pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

/* Complete the catalog entry and publish the image. */
static int publish(const struct import_options *options, struct store_writer *writer, json_t *fields,
                   const struct flatten_result *made, struct pe_image *image, struct pe_error *err)
{
    if (override(fields, options->overrides, err) < 0)
        return -1;
    if (catalog_entry_to_image(fields, made, image, err) < 0)
        return -1;
    return store_writer_publish(writer, image, 1, err);
}

/* ---- images with layers ---- */

struct open_layers {
    struct stream_input *sources;
    size_t count;
};

static void close_layers(struct open_layers *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        close(opened->sources[i].fd);
    free(opened->sources);
}

static int open_layers(const struct source *source, const struct oci_image *oci, struct open_layers *opened,
                       struct pe_error *err)
{
    opened->sources = calloc(oci->layer_count, sizeof *opened->sources);
    if (!opened->sources)
        return pe_fail_errno(err, "out of memory for %zu layers", oci->layer_count);
    for (size_t i = 0; i < oci->layer_count; i++) {
        const struct oci_layer *layer = &oci->layers[i];
        uint64_t size = 0;
        int fd = source_open_file(source, layer->file, &size, err);
        if (fd < 0)
            return -1;
        opened->sources[opened->count++] =
            (struct stream_input){.fd = fd,
                                  .name = layer->file,
                                  .size = layer->digest[0] ? layer->size : size,
                                  .digest = layer->digest[0] ? layer->digest : NULL,
                                  .diff_id = layer->diff_id};
        if (layer->digest[0] && size != layer->size)
            return pe_fail(err, PE_ERR_INVALID,
                           "%s has %llu bytes instead of the %llu that the manifest says", layer->file,
                           (unsigned long long)size, (unsigned long long)layer->size);
    }
    return 0;
}

/* Add the metadata that a layout or an archive has in a file pe.json beside its index. */
static int add_own_metadata(json_t *fields, const struct source *source, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (!source_has_file(source, "pe.json"))
        return 0;
    return source_read_file(source, "pe.json", CATALOG_ENTRY_FILE_MAX, &text, err) < 0
               ? -1
               : catalog_entry_add_text(fields, &text, "pe.json", err);
}

static int import_layers(const struct import_options *options, const struct source *source,
                         struct store_writer *writer, struct pe_image *image, struct pe_error *err)
{
    uint64_t started_us = pe_now_us();
    pe_autooci struct oci_image oci = {0};
    __attribute__((cleanup(close_layers))) struct open_layers layers = {0};
    pe_autoflattened struct flatten_result made = {0};
    pe_autojson json_t *fields = json_object();
    struct flatten_options flattening = options->flatten;
    flattening.whiteouts = true;
    if (oci_read(source, &options->choice, &oci, err) < 0 ||
        catalog_entry_add_config(fields, oci.config, err) < 0 || add_own_metadata(fields, source, err) < 0 ||
        open_layers(source, &oci, &layers, err) < 0)
        return -1;
    struct working_dir directory = {.path = "/"};
    working_dir_read(fields, &directory);
    flattening.paths[0] = directory.path;
    flattening.paths[1] = directory.program;
    if (flatten(layers.sources, layers.count, &flattening, writer->rootfs, options->progress, &made, err) <
            0 ||
        working_dir_apply(&directory, made.found[0], made.found[1], fields, err) < 0 ||
        publish(options, writer, fields, &made, image, err) < 0)
        return -1;
    report_done(options, image, &made, started_us);
    return 0;
}

/* ---- tars of a root filesystem ---- */

static int import_tar(const struct import_options *options, int fd, const char *name,
                      struct store_writer *writer, struct pe_image *image, struct pe_error *err)
{
    uint64_t started_us = pe_now_us();
    struct stat info;
    pe_autoflattened struct flatten_result made = {0};
    pe_autojson json_t *fields = json_object();
    if (fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot read %s", name);
    const struct stream_input source = {
        .fd = fd, .name = name, .size = (uint64_t)info.st_size, .any_filter = true};
    if (flatten(&source, 1, &options->flatten, writer->rootfs, options->progress, &made, err) < 0 ||
        publish(options, writer, fields, &made, image, err) < 0)
        return -1;
    report_done(options, image, &made, started_us);
    return 0;
}

/* ---- what an image is imported from ---- */

/* Copy a pipe into an unnamed file, because an archive may have to be read twice. Returns its
 * descriptor. */
static int spool_pipe(int from, const struct store_writer *writer, const char *name, uint64_t bytes_max,
                      struct pe_error *err)
{
    pe_autoclose int fd = open(writer->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    pe_autofree char *chunk = malloc(COPY_BYTES);
    if (fd < 0 || !chunk)
        return pe_fail_errno(err, "cannot create a temporary file for %s in %s", name, writer->directory);
    for (uint64_t total = 0;;) {
        ssize_t n = read(from, chunk, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "cannot read %s", name);
        if (n == 0)
            return pe_steal_fd(&fd);
        if ((total += (uint64_t)n) > bytes_max)
            return pe_fail(err, PE_ERR_TOO_LARGE,
                           "%s has more bytes than an image may have (%llu MiB, see --max-mib)", name,
                           (unsigned long long)(bytes_max >> 20));
        if (pe_write_all(fd, chunk, (size_t)n, name, err) < 0)
            return -1;
    }
}

/* Open what `path` names as a regular file, positioned at its start. */
static int open_input(const struct import_options *options, const char *path,
                      const struct store_writer *writer, struct pe_error *err)
{
    struct stat info;
    bool standard = !strcmp(path, "-");
    const char *name = standard ? "standard input" : path;
    pe_autoclose int fd =
        standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "cannot open %s", name);
    if (S_ISREG(info.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
        return pe_steal_fd(&fd);
    return spool_pipe(fd, writer, name, options->flatten.bytes_max, err);
}

static int import_directory(const struct import_options *options, const char *path,
                            struct store_writer *writer, struct pe_image *image, struct pe_error *err)
{
    pe_autosource struct source source = {.directory = -1};
    if (source_open_directory(path, &source, err) < 0)
        return -1;
    return import_layers(options, &source, writer, image, err);
}

static int import_file(const struct import_options *options, const char *path, struct store_writer *writer,
                       struct pe_image *image, struct pe_error *err)
{
    const char *name = !strcmp(path, "-") ? "standard input" : path;
    pe_autoclose int fd = open_input(options, path, writer, err);
    enum archive_kind kind = ARCHIVE_OF_ROOTFS;
    if (fd < 0 || archive_find_kind(fd, name, options->flatten.bytes_max, &kind, err) < 0)
        return -1;
    progress_report(options->progress, "reading %s", name);
    if (kind == ARCHIVE_OF_ROOTFS)
        return import_tar(options, fd, name, writer, image, err);
    pe_autosource struct source source = {.directory = -1};
    if (source_spool_archive(fd, name, writer->spool, options->flatten.bytes_max, &source, err) < 0)
        return -1;
    return import_layers(options, &source, writer, image, err);
}

int import_path(const struct import_options *options, const char *path, struct pe_image *image,
                struct pe_error *err)
{
    struct stat info = {0};
    bool standard = !strcmp(path, "-");
    pe_autostorewriter struct store_writer writer = {.lock = -1};
    *image = (struct pe_image){0};
    if (!standard && stat(path, &info) < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    if (store_writer_begin(options->store, &writer, err) < 0)
        return -1;
    int failed = S_ISDIR(info.st_mode) ? import_directory(options, path, &writer, image, err)
                                       : import_file(options, path, &writer, image, err);
    return failed ? pe_fail_context(err, "cannot import %s", standard ? "standard input" : path) : 0;
}

int import_pull(const struct import_options *options, const struct pull_options *pull, struct pe_image *image,
                struct pe_error *err)
{
    pe_autostorewriter struct store_writer writer = {.lock = -1};
    *image = (struct pe_image){0};
    if (store_writer_begin(options->store, &writer, err) < 0 ||
        pull_layout(pull, writer.spool, options->progress, err) < 0)
        return -1;
    return import_directory(options, writer.spool, &writer, image, err) < 0
               ? pe_fail_context(err, "cannot import %s", pull->source)
               : 0;
}
