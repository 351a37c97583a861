/* SPDX-License-Identifier: Apache-2.0 */
/* Searching for runtimes. The list of all of them is made in runtime_list.c. */
#include "lb/piston/runtimes.h"

#include <string.h>

const char *piston_runtime_text(const struct piston_runtime *runtime, const char *key)
{
    const char *text = json_string_value(json_object_get(runtime->json, key));
    return text ? text : "";
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
    runtime->language = piston_runtime_text(runtime, "language");
    if (!version || !*runtime->language || (language && !is_called(runtime, language)))
        return false;
    return pe_semver_parse(version, &runtime->version);
}

static void visit_entry(const struct catalog_entry *entry, const char *language,
                        piston_runtime_visitor *visit, void *context)
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

void piston_for_each_runtime(const struct scheduler *scheduler, const char *language,
                             piston_runtime_visitor *visit, void *context)
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
    piston_for_each_runtime(scheduler, language, consider, &search);
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
