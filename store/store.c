/* Reading the image store. Shared by pe-worker and pe-image; writing it is image/store_writer.c's. */
#include "store/store.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CATALOG_BYTES_MAX PE_MIB
#define NEAR_NAMES 3

/* ---- listing ---- */

#define NAMES "names"
#define SUFFIX ".json"

void pe_store_name_path(const char *name, char path[PE_STORE_NAME_PATH_MAX])
{
    snprintf(path, PE_STORE_NAME_PATH_MAX, NAMES "/%.*s" SUFFIX, (int)PE_IMAGE_NAME_MAX, name);
    for (char *at = path + strlen(NAMES "/"); *at; at++)
        if (*at == '/')
            *at = '+';
}

static bool is_digest(const char *name)
{
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

static void identify(const struct pe_buf *text, char identity[PE_IMAGE_IDENTITY_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_Digest(text->data, text->size, bytes, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < PE_IMAGE_IDENTITY_SIZE / 2; i++)
        snprintf(identity + 2 * i, 3, "%02x", bytes[i]);
}

static int parse_entry(const struct pe_buf *text, const char *path, struct pe_image *image,
                       struct pe_error *err)
{
    json_error_t where;
    char own[PE_STORE_NAME_PATH_MAX];
    pe_autojson json_t *json = json_loadb((const char *)text->data, text->size, 0, &where);
    if (!json)
        return pe_fail(err, PE_ERR_MALFORMED, "not JSON: line %d: %s", where.line, where.text);
    if (pe_image_from_json(json, image, err) < 0)
        return -1;
    identify(text, image->identity);
    pe_store_name_path(image->name, own);
    if (strcmp(own, path) != 0)
        return pe_fail(err, PE_ERR_MALFORMED, "its name is '%s'", image->name);
    return 0;
}

/* Read one entry: 1, or 0 when there is none (being removed just now). */
static int read_entry(int store, const char *path, struct pe_image *image, struct pe_error *err)
{
    pe_autoclose int fd = openat(store, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return pe_fail_errno(err, "%s", path);
    pe_autobuf struct pe_buf text = {0};
    *image = (struct pe_image){0};
    if (pe_read_all(fd, CATALOG_BYTES_MAX, &text, path, err) == 0 &&
        parse_entry(&text, path, image, err) == 0)
        return 1;
    pe_image_free(image);
    return pe_fail_context(err, "catalog entry %s", path);
}

static int append_image(struct pe_store_images *images, struct pe_image *image, struct pe_error *err)
{
    struct pe_image *items = reallocarray(images->items, images->count + 1, sizeof *items);
    if (!items) {
        pe_image_free(image);
        return pe_fail_errno(err, "list of images");
    }
    images->items = items;
    items[images->count++] = *image;
    return 0;
}

static bool is_entry(const char *name)
{
    size_t size = strlen(name);
    return name[0] != '.' && size > strlen(SUFFIX) && !strcmp(name + size - strlen(SUFFIX), SUFFIX);
}

static int read_entries(int store, DIR *names, struct pe_store_images *images, struct pe_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(names);
        if (!entry)
            return errno ? pe_fail_errno(err, "reading the directory") : 0;
        char path[sizeof entry->d_name + sizeof NAMES];
        struct pe_image image;
        if (!is_entry(entry->d_name))
            continue;
        snprintf(path, sizeof path, NAMES "/%s", entry->d_name);
        int got = read_entry(store, path, &image, err);
        if (got < 0 || (got > 0 && append_image(images, &image, err) < 0))
            return -1;
    }
}

static int compare_names(const void *left, const void *right)
{
    const struct pe_image *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int open_names(int store, DIR **names, struct pe_error *err)
{
    pe_autoclose int fd = openat(store, NAMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *names = NULL;
    if (fd < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "opening " NAMES);
    *names = fdopendir(fd);
    if (!*names)
        return pe_fail_errno(err, "opening " NAMES);
    (void)pe_steal_fd(&fd);
    return 0;
}

int pe_store_list(const char *store, struct pe_store_images *images, struct pe_error *err)
{
    *images = (struct pe_store_images){0};
    pe_autoclose int directory = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "there is no image store at %s: `make images` makes one in a source tree, "
                       "`pe-image pull` anywhere",
                       store);
    if (directory < 0)
        return pe_fail_errno(err, "opening image store %s", store);
    pe_autodir DIR *names = NULL;
    if (open_names(directory, &names, err) < 0 ||
        (names && read_entries(directory, names, images, err) < 0)) {
        pe_store_images_free(images);
        return pe_fail_context(err, "image store %s", store);
    }
    if (images->count)
        qsort(images->items, images->count, sizeof *images->items, compare_names);
    return 0;
}

void pe_store_images_free(struct pe_store_images *images)
{
    for (size_t i = 0; i < images->count; i++)
        pe_image_free(&images->items[i]);
    free(images->items);
    *images = (struct pe_store_images){0};
}

/* ---- finding ---- */

/* Whether a "name@sha256:<hex>" reference means this image: "gcc@sha256:…" fits "gcc:14" of that digest. */
static bool fits_digest(const struct pe_image *image, const char *reference, const char *at)
{
    size_t name_size = (size_t)(at - reference);
    return !strcmp(image->digest, at + 1) && !strncmp(image->name, reference, name_size) &&
           (image->name[name_size] == ':' || image->name[name_size] == '\0');
}

/* How many letters must be changed, added or removed to make one name the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[PE_IMAGE_NAME_MAX + 2];
    size_t length = strnlen(b, PE_IMAGE_NAME_MAX);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            size_t shift = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < shift ? change : shift;
        }
    }
    return row[length];
}

/* How unlike two names are: another tag of the same image is nearer than any other name. */
static size_t unlikeness(const char *name, const char *reference)
{
    size_t size = strcspn(name, ":");
    if (size == strcspn(reference, ":@") && !strncmp(name, reference, size))
        return 0;
    return distance(name, reference);
}

static int fail_unknown(const struct pe_store_images *images, const char *reference, struct pe_error *err)
{
    pe_fail(err, PE_ERR_NOT_FOUND, "there is no image '%.200s' here", reference);
    size_t most = strlen(reference) / 2;
    const struct pe_image *near[NEAR_NAMES] = {0};
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *image = &images->items[i];
        if (unlikeness(image->name, reference) > most)
            continue;
        for (size_t k = 0; k < NEAR_NAMES && image; k++)
            if (!near[k] || unlikeness(image->name, reference) < unlikeness(near[k]->name, reference)) {
                const struct pe_image *shifted = near[k];
                near[k] = image;
                image = shifted;
            }
    }
    size_t used = strlen(err->message);
    for (size_t k = 0; k < NEAR_NAMES && near[k] && used < sizeof err->message; k++)
        used += (size_t)snprintf(err->message + used, sizeof err->message - used, "%s%s",
                                 k ? ", " : "; near names: ", near[k]->name);
    return -1;
}

const struct pe_image *pe_store_find(const struct pe_store_images *images, const char *reference,
                                     struct pe_error *err)
{
    const char *at = strchr(reference, '@');
    for (size_t i = 0; i < images->count; i++) {
        const struct pe_image *image = &images->items[i];
        if (at ? fits_digest(image, reference, at) : !strcmp(image->name, reference))
            return image;
    }
    fail_unknown(images, reference, err);
    return NULL;
}

int pe_store_open_rootfs(const char *store, const struct pe_image *image, struct pe_error *err)
{
    const char *hex = strchr(image->digest, ':');
    pe_autofree char *path = NULL;
    if (!hex || !is_digest(hex + 1))
        return pe_fail(err, PE_ERR_INTERNAL, "image %s has no valid digest", image->name);
    if (asprintf(&path, "%s/%s/rootfs.squashfs", store, hex + 1) < 0) {
        path = NULL;
        return pe_fail_errno(err, "rootfs of %s", image->name);
    }
    struct stat info;
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) < 0)
        return pe_fail_errno(err, "opening %s", path);
    if (!S_ISREG(info.st_mode) || info.st_size == 0 || info.st_size % PE_PMEM_ALIGN)
        return pe_fail(err, PE_ERR_INTERNAL, "%s is not a file of a multiple of 2 MiB", path);
    return pe_steal_fd(&fd);
}
