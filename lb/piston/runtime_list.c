/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting and listing runtimes. Several workers have the same images, and several images may offer the
 * same language in the same version: each is listed once, with the image whose name sorts first. */
#include "lb/piston/runtime_list.h"

#include "base/cleanup.h"
#include "codec/json_writer.h"
#include "lb/piston/runtimes.h"
#include "proto/job_spec.h"

#include <stdlib.h>
#include <string.h>

/* ---- all runtimes ---- */

struct collection {
    struct piston_runtime *items; /* owned */
    size_t count, capacity;
    bool failed;
};

static void free_collection(struct collection *all)
{
    free(all->items);
}

static void collect(const struct piston_runtime *runtime, void *context)
{
    struct collection *all = context;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 16;
        struct piston_runtime *grown = realloc(all->items, capacity * sizeof *grown);
        all->failed |= !grown;
        if (!grown)
            return;
        all->items = grown;
        all->capacity = capacity;
    }
    all->items[all->count++] = *runtime;
}

/* The name of the package in Piston: the program that runs the language. */
static const char *package_of(const struct piston_runtime *runtime)
{
    const char *name = piston_runtime_text(runtime, "runtime");
    return *name ? name : runtime->language;
}

/* ---- the order ---- */

static int compare_runtimes(const void *left, const void *right)
{
    const struct piston_runtime *a = left, *b = right;
    int order = strcmp(a->language, b->language);
    order = order ? order : pe_semver_compare(&a->version, &b->version);
    order = order ? order : strcmp(package_of(a), package_of(b));
    return order ? order : strcmp(a->image, b->image);
}

static bool is_same_runtime(const struct piston_runtime *a, const struct piston_runtime *b)
{
    return !strcmp(a->language, b->language) && !strcmp(package_of(a), package_of(b)) &&
           pe_semver_compare(&a->version, &b->version) == 0;
}

static int compare_packages(const void *left, const void *right)
{
    const struct piston_runtime *a = left, *b = right;
    int order = strcmp(package_of(a), package_of(b));
    order = order ? order : pe_semver_compare(&a->version, &b->version);
    return order ? order : strcmp(piston_runtime_text(a, "version"), piston_runtime_text(b, "version"));
}

/* A package may provide several languages. */
static bool is_same_package(const struct piston_runtime *a, const struct piston_runtime *b)
{
    return compare_packages(a, b) == 0;
}

/* ---- the texts ---- */

static void append_runtime(struct pe_json_writer *writer, const struct piston_runtime *runtime)
{
    size_t i = 0;
    const json_t *alias = NULL;
    const char *program = piston_runtime_text(runtime, "runtime");
    pe_json_open(writer, NULL, '{');
    pe_json_append_text(writer, "language", runtime->language);
    pe_json_append_text(writer, "version", piston_runtime_text(runtime, "version"));
    pe_json_open(writer, "aliases", '[');
    json_array_foreach(json_object_get(runtime->json, "aliases"), i, alias)
    {
        if (json_is_string(alias))
            pe_json_append_text(writer, NULL, json_string_value(alias));
    }
    pe_json_close(writer, ']');
    if (*program)
        pe_json_append_text(writer, "runtime", program);
    pe_json_close(writer, '}');
}

static void append_package(struct pe_json_writer *writer, const struct piston_runtime *runtime)
{
    pe_json_open(writer, NULL, '{');
    pe_json_append_text(writer, "language", package_of(runtime));
    pe_json_append_text(writer, "language_version", piston_runtime_text(runtime, "version"));
    pe_json_append_bool(writer, "installed", true);
    pe_json_close(writer, '}');
}

/* How one of the two lists is made. */
struct list_form {
    int (*compare)(const void *left, const void *right);
    bool (*is_same)(const struct piston_runtime *a, const struct piston_runtime *b);
    void (*append)(struct pe_json_writer *writer, const struct piston_runtime *runtime);
};

static int write_list(const struct scheduler *scheduler, const struct list_form *form, struct pe_buf *out,
                      struct pe_error *err)
{
    __attribute__((cleanup(free_collection))) struct collection all = {0};
    piston_for_each_runtime(scheduler, NULL, collect, &all);
    if (all.failed)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of runtimes");
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, form->compare);
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '[');
    for (size_t i = 0; i < all.count; i++)
        if (i == 0 || !form->is_same(&all.items[i - 1], &all.items[i]))
            form->append(&writer, &all.items[i]);
    pe_json_close(&writer, ']');
    return pe_json_finish(&writer);
}

void piston_text_unref(struct piston_text *text)
{
    if (!text || --text->refs)
        return;
    pe_buf_free(&text->bytes);
    free(text);
}

static struct piston_text *make_text(const struct scheduler *scheduler, const struct list_form *form,
                                     struct pe_error *err)
{
    struct piston_text *text = calloc(1, sizeof *text);
    if (!text) {
        pe_fail_errno(err, "cannot list runtimes");
        return NULL;
    }
    text->refs = 1;
    if (write_list(scheduler, form, &text->bytes, err) == 0)
        return text;
    piston_text_unref(text);
    return NULL;
}

/* Another reference to a text of the list, which is made if it is not there. */
static struct piston_text *take(struct piston_runtime_list *list, struct piston_text **text,
                                const struct list_form *form, const struct scheduler *scheduler,
                                struct pe_error *err)
{
    if (list->serial != scheduler->catalog_serial) {
        piston_text_unref(list->runtimes);
        piston_text_unref(list->packages);
        *list = (struct piston_runtime_list){.serial = scheduler->catalog_serial};
    }
    if (!*text)
        *text = make_text(scheduler, form, err);
    if (*text)
        (*text)->refs++;
    return *text;
}

struct piston_text *piston_list_runtimes(struct piston_runtime_list *list, const struct scheduler *scheduler,
                                         struct pe_error *err)
{
    static const struct list_form form = {compare_runtimes, is_same_runtime, append_runtime};
    return take(list, &list->runtimes, &form, scheduler, err);
}

struct piston_text *piston_list_packages(struct piston_runtime_list *list, const struct scheduler *scheduler,
                                         struct pe_error *err)
{
    static const struct list_form form = {compare_packages, is_same_package, append_package};
    return take(list, &list->packages, &form, scheduler, err);
}
