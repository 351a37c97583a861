/* SPDX-License-Identifier: Apache-2.0 */
/* Searching and listing runtimes. Several workers have the same images, and several images may
 * offer the same language in the same version: each is listed once, with the image whose name
 * sorts first. */
#include "lb/piston/runtimes.h"

#include "base/cleanup.h"
#include "proto/job_spec.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const struct piston_runtime *runtime, const char *key)
{
    const char *text = json_string_value(json_object_get(runtime->json, key));
    return text ? text : "";
}

/* The name of the package in Piston: the program that runs the language. */
static const char *package_of(const struct piston_runtime *runtime)
{
    const char *name = text_of(runtime, "runtime");
    return *name ? name : runtime->language;
}

static bool is_called(const struct piston_runtime *runtime, const char *language)
{
    size_t i = 0;
    const json_t *alias = NULL;
    if (!strcmp(runtime->language, language))
        return true;
    json_array_foreach(json_object_get(runtime->json, "aliases"), i, alias)
    {
        if (json_is_string(alias) && !strcmp(json_string_value(alias), language))
            return true;
    }
    return false;
}

/* `language` (NULL: any) is compared before the version is parsed, because most runtimes are of
 * another language. */
static bool read_runtime(const struct catalog_entry *entry, const json_t *json, const char *language,
                         struct piston_runtime *runtime)
{
    const char *version = json_string_value(json_object_get(json, "version"));
    *runtime = (struct piston_runtime){.image = entry->name, .json = json};
    runtime->language = text_of(runtime, "language");
    if (!version || !*runtime->language || (language && !is_called(runtime, language)))
        return false;
    return pe_semver_parse(version, &runtime->version);
}

typedef void visitor(const struct piston_runtime *runtime, void *context);

static void visit_entry(const struct catalog_entry *entry, const char *language, visitor *visit,
                        void *context)
{
    size_t i = 0;
    const json_t *json = NULL;
    json_array_foreach(json_object_get(entry->json, "piston"), i, json)
    {
        struct piston_runtime runtime;
        if (read_runtime(entry, json, language, &runtime))
            visit(&runtime, context);
    }
}

/* Call `visit` for each runtime of the language (NULL: any) of each worker. */
static void for_each_runtime(const struct scheduler *scheduler, const char *language, visitor *visit,
                             void *context)
{
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct catalog *catalog = &pe_list_entry(node, struct worker, in_workers)->claim->catalog;
        for (size_t i = 0; i < catalog->count; i++)
            visit_entry(&catalog->entries[i], language, visit, context);
    }
}

/* ---- one ---- */

struct search {
    const char *selector;
    struct piston_runtime *best;
    bool found;
};

static bool is_better(const struct piston_runtime *runtime, const struct piston_runtime *best)
{
    int order = pe_semver_compare(&runtime->version, &best->version);
    return order ? order > 0 : strcmp(runtime->image, best->image) < 0;
}

static void consider(const struct piston_runtime *runtime, void *context)
{
    struct search *search = context;
    if (pe_semver_satisfies(&runtime->version, search->selector) &&
        (!search->found || is_better(runtime, search->best))) {
        *search->best = *runtime;
        search->found = true;
    }
}

bool piston_find_runtime(const struct scheduler *scheduler, const char *language, const char *selector,
                         struct piston_runtime *found)
{
    struct search search = {.selector = selector, .best = found};
    for_each_runtime(scheduler, language, consider, &search);
    return search.found;
}

struct pe_runtime_limits piston_limits_of(const struct piston_runtime *runtime,
                                          const struct pe_runtime_limits *service)
{
    struct pe_runtime_limits limits = *service;
    const json_t *overrides = json_object_get(runtime->json, "limit_overrides");
    for (int i = 0; i < PE_RUNTIME_LIMITS; i++) {
        const json_t *value = json_object_get(overrides, pe_runtime_limit_names[i]);
        if (json_is_integer(value))
            limits.value[i] = json_integer_value(value);
    }
    return limits;
}

/* ---- all ---- */

struct collection {
    struct piston_runtime *items; /* owned */
    size_t count, capacity;
    bool failed;
};

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

static int compare(const void *left, const void *right)
{
    const struct piston_runtime *a = left, *b = right;
    int order = strcmp(a->language, b->language);
    order = order ? order : pe_semver_compare(&a->version, &b->version);
    order = order ? order : strcmp(package_of(a), package_of(b));
    return order ? order : strcmp(a->image, b->image);
}

static bool is_same(const struct piston_runtime *a, const struct piston_runtime *b)
{
    return !strcmp(a->language, b->language) && !strcmp(package_of(a), package_of(b)) &&
           pe_semver_compare(&a->version, &b->version) == 0;
}

static json_t *list(const struct scheduler *scheduler, json_t *(*entry_of)(const struct piston_runtime *))
{
    struct collection all = {0};
    for_each_runtime(scheduler, NULL, collect, &all);
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, compare);
    json_t *array = all.failed ? NULL : json_array();
    for (size_t i = 0; array && i < all.count; i++) {
        bool repeats = i > 0 && is_same(&all.items[i - 1], &all.items[i]);
        if (!repeats && json_array_append_new(array, entry_of(&all.items[i])) < 0) {
            json_decref(array);
            array = NULL;
        }
    }
    free(all.items);
    return array;
}

static json_t *runtime_entry(const struct piston_runtime *runtime)
{
    json_t *aliases = json_object_get(runtime->json, "aliases");
    json_t *entry =
        json_pack("{s:s, s:s, s:o}", "language", runtime->language, "version", text_of(runtime, "version"),
                  "aliases", aliases ? json_incref(aliases) : json_array());
    if (entry && *text_of(runtime, "runtime"))
        json_object_set_new(entry, "runtime", json_string(text_of(runtime, "runtime")));
    return entry;
}

json_t *piston_list_runtimes(const struct scheduler *scheduler)
{
    return list(scheduler, runtime_entry);
}

static json_t *package_entry(const struct piston_runtime *runtime)
{
    return json_pack("{s:s, s:s, s:b}", "language", package_of(runtime), "language_version",
                     text_of(runtime, "version"), "installed", 1);
}

static bool has_package(const json_t *packages, const json_t *package)
{
    size_t i = 0;
    const json_t *other = NULL;
    json_array_foreach(packages, i, other)
    {
        if (json_equal(other, package))
            return true;
    }
    return false;
}

/* A package may provide several languages, so duplicates are removed. */
json_t *piston_list_packages(const struct scheduler *scheduler)
{
    pe_autojson json_t *each = list(scheduler, package_entry);
    json_t *packages = each ? json_array() : NULL;
    size_t i = 0;
    json_t *package = NULL;
    json_array_foreach(each, i, package)
    {
        if (!has_package(packages, package))
            json_array_append(packages, package);
    }
    return packages;
}
