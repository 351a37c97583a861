/* The steps of taking an image in: get its files, read its documents, flatten its layers, publish. */
#include "image/import.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/catalog_entry.h"
#include "image/source.h"
#include "image/store_writer.h"
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
        progress_say(options->progress, "left out %llu device nodes, fifos and sockets",
                     (unsigned long long)made->counts.dropped);
    progress_say(options->progress, "%s: %llu files, %.1f MiB, as squashfs %.1f MiB, %s, %.1f s", image->name,
                 (unsigned long long)made->counts.files, (double)made->counts.bytes / 1048576,
                 (double)image->rootfs_bytes / 1048576, image->digest,
                 (double)(pe_now_us() - started_us) / 1e6);
}

/* What the command line said overrides what the image says of itself. */
static int publish(const struct import_options *options, struct entry *entry, json_t *about,
                   const struct flatten_result *made, struct pe_image *image, struct pe_error *err)
{
    if (json_object_update(about, options->about) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "catalog entry");
    if (about_to_image(about, made, image, err) < 0)
        return -1;
    return entry_publish(entry, image, 1, err);
}

/* ---- an image with layers ---- */

struct opened {
    struct stream_source *sources;
    size_t count;
};

static void close_layers(struct opened *opened)
{
    for (size_t i = 0; i < opened->count; i++)
        close(opened->sources[i].fd);
    free(opened->sources);
}

static int open_layers(const struct package *package, const struct oci_image *oci, struct opened *opened,
                       struct pe_error *err)
{
    opened->sources = calloc(oci->layer_count, sizeof *opened->sources);
    if (!opened->sources)
        return pe_fail_errno(err, "%zu layers", oci->layer_count);
    for (size_t i = 0; i < oci->layer_count; i++) {
        const struct oci_layer *layer = &oci->layers[i];
        uint64_t size = 0;
        int fd = package_open_file(package, layer->file, &size, err);
        if (fd < 0)
            return -1;
        opened->sources[opened->count++] =
            (struct stream_source){.fd = fd,
                                   .name = layer->file,
                                   .size = layer->digest[0] ? layer->size : size,
                                   .digest = layer->digest[0] ? layer->digest : NULL,
                                   .diff_id = layer->diff_id};
        if (layer->digest[0] && size != layer->size)
            return pe_fail(err, PE_ERR_INVALID, "%s has %llu bytes instead of %llu", layer->file,
                           (unsigned long long)size, (unsigned long long)layer->size);
    }
    return 0;
}

static int import_package(const struct import_options *options, const struct package *package,
                          struct entry *entry, struct pe_image *image, struct pe_error *err)
{
    uint64_t started_us = pe_now_us();
    pe_autooci struct oci_image oci = {0};
    __attribute__((cleanup(close_layers))) struct opened layers = {0};
    pe_autoflattened struct flatten_result made = {0};
    pe_autojson json_t *about = json_object();
    struct flatten_options flattening = options->flatten;
    flattening.whiteouts = true;
    if (oci_read(package, &options->choice, &oci, err) < 0 || about_take_config(about, oci.config, err) < 0 ||
        (!package->spooled && package_has(package, "pe.json") &&
         about_take_file(about, package->directory, "pe.json", err) < 0) ||
        open_layers(package, &oci, &layers, err) < 0 ||
        flatten(layers.sources, layers.count, &flattening, entry->rootfs, options->progress, &made, err) <
            0 ||
        publish(options, entry, about, &made, image, err) < 0)
        return -1;
    report_done(options, image, &made, started_us);
    return 0;
}

/* ---- a root filesystem's tar ---- */

static int import_tar(const struct import_options *options, int fd, const char *name, struct entry *entry,
                      struct pe_image *image, struct pe_error *err)
{
    uint64_t started_us = pe_now_us();
    struct stat info;
    pe_autoflattened struct flatten_result made = {0};
    pe_autojson json_t *about = json_object();
    if (fstat(fd, &info) < 0)
        return pe_fail_errno(err, "%s", name);
    const struct stream_source source = {
        .fd = fd, .name = name, .size = (uint64_t)info.st_size, .any_filter = true};
    if (flatten(&source, 1, &options->flatten, entry->rootfs, options->progress, &made, err) < 0 ||
        publish(options, entry, about, &made, image, err) < 0)
        return -1;
    report_done(options, image, &made, started_us);
    return 0;
}

/* ---- sources ---- */

/* What cannot be read twice goes to a file without a name first. */
static int spool_pipe(int from, const struct entry *entry, const char *name, uint64_t bytes_max,
                      struct pe_error *err)
{
    pe_autoclose int fd = open(entry->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    pe_autofree char *chunk = malloc(COPY_BYTES);
    if (fd < 0 || !chunk)
        return pe_fail_errno(err, "making a file for %s", name);
    for (uint64_t total = 0;;) {
        ssize_t n = read(from, chunk, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pe_fail_errno(err, "reading %s", name);
        if (n == 0)
            return pe_steal_fd(&fd);
        if ((total += (uint64_t)n) > bytes_max)
            return pe_fail(err, PE_ERR_TOO_LARGE, "%s has more bytes than an image may have", name);
        if (pe_write_all(fd, chunk, (size_t)n, name, err) < 0)
            return -1;
    }
}

/* A regular file at its start, of what `source` names. */
static int open_source(const struct import_options *options, const char *source, const struct entry *entry,
                       struct pe_error *err)
{
    struct stat info;
    bool standard = !strcmp(source, "-");
    const char *name = standard ? "standard input" : source;
    pe_autoclose int fd =
        standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(source, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "opening %s", name);
    if (S_ISREG(info.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
        return pe_steal_fd(&fd);
    return spool_pipe(fd, entry, name, options->flatten.bytes_max, err);
}

static int import_directory(const struct import_options *options, const char *source, struct entry *entry,
                            struct pe_image *image, struct pe_error *err)
{
    pe_autopackage struct package package = {.directory = -1};
    if (package_open(source, &package, err) < 0 || import_package(options, &package, entry, image, err) < 0)
        return pe_fail_context(err, "%s", source);
    return 0;
}

static int import_file(const struct import_options *options, const char *source, struct entry *entry,
                       struct pe_image *image, struct pe_error *err)
{
    const char *name = !strcmp(source, "-") ? "standard input" : source;
    pe_autoclose int fd = open_source(options, source, entry, err);
    int archive = fd >= 0 ? package_is_image(fd, name, err) : -1;
    if (archive < 0)
        return -1;
    progress_say(options->progress, "reading %s", name);
    if (!archive)
        return import_tar(options, fd, name, entry, image, err);
    pe_autopackage struct package package = {.directory = -1};
    if (package_spool(fd, name, entry->spool, options->flatten.bytes_max, &package, err) < 0)
        return -1;
    return import_package(options, &package, entry, image, err) < 0 ? pe_fail_context(err, "%s", name) : 0;
}

int import_path(const struct import_options *options, const char *source, struct pe_image *image,
                struct pe_error *err)
{
    struct stat info = {0};
    pe_autoentry struct entry entry = {.lock = -1};
    *image = (struct pe_image){0};
    if (strcmp(source, "-") != 0 && stat(source, &info) < 0)
        return pe_fail_errno(err, "opening %s", source);
    bool directory = strcmp(source, "-") != 0 && S_ISDIR(info.st_mode);
    if (entry_begin(options->store, &entry, err) < 0)
        return -1;
    return directory ? import_directory(options, source, &entry, image, err)
                     : import_file(options, source, &entry, image, err);
}

int import_pull(const struct import_options *options, const struct pull_options *pull, struct pe_image *image,
                struct pe_error *err)
{
    pe_autoentry struct entry entry = {.lock = -1};
    *image = (struct pe_image){0};
    if (entry_begin(options->store, &entry, err) < 0 ||
        pull_layout(pull, entry.spool, options->progress, err) < 0)
        return -1;
    return import_directory(options, entry.spool, &entry, image, err);
}
