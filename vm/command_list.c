/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm list: every VM of the place with its state, and pe-vm info: everything about one. */
#include "base/buffer.h"
#include "vm/command.h"
#include "vm/talk.h"

#include <stdio.h>
#include <string.h>

/* Returns the state and the settings of a VM as JSON, which the caller owns; NULL on failure. */
static json_t *describe(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    struct vmconfig config;
    enum place_state state;
    if (place_read(place, name, &config, err) < 0 || place_find_state(place, name, &state, err) < 0)
        return NULL;
    json_t *json = json_pack("{s:s, s:s, s:o}", "name", name->text, "state", place_state_name(state),
                             "config", vmconfig_to_json(&config));
    if (!json)
        pe_fail(err, PE_ERR_INTERNAL, "out of memory for the description of the VM %s", name->text);
    return json;
}

/* Add what the owner of a running VM knows, and why another one has ended. */
static int describe_life(const struct place *place, const struct vmname *name, json_t *json,
                         struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    pe_autobuf struct pe_buf text = {0};
    json_t *answer = NULL;
    place_file(place, name, "ended", path);
    if (place_read_text(path, &text) &&
        json_object_set_new(json, "ended", json_string((const char *)text.data)) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for why the VM %s has ended", name->text);
    if (strcmp(json_string_value(json_object_get(json, "state")), place_state_name(PLACE_RUNNING)) != 0)
        return 0;
    if (talk_ask(place, name, json_pack("{s:s}", "command", "info"), &answer, err) < 0)
        return -1;
    return json_object_set_new(json, "running", answer) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory for the description of the VM %s", name->text);
}

static int add_to_list(const struct place *place, const struct vmname *name, void *context,
                       struct pe_error *err)
{
    json_t *one = describe(place, name, err);
    if (!one && err->kind == PE_ERR_NOT_FOUND)
        return 0; /* it was deleted meanwhile */
    if (one && json_array_append_new(context, one) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of VMs");
    return one ? 0 : -1;
}

static void print_table(const json_t *list)
{
    size_t index;
    const json_t *one;
    json_array_foreach(list, index, one)
    {
        const json_t *config = json_object_get(one, "config");
        printf("%-32s  %-7s  %-16s  %lld MiB  %lld CPUs\n", json_string_value(json_object_get(one, "name")),
               json_string_value(json_object_get(one, "state")),
               json_string_value(json_object_get(config, "engine")),
               json_integer_value(json_object_get(config, "memory_mib")),
               json_integer_value(json_object_get(config, "cpus")));
    }
}

int command_list(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    bool json = false;
    const struct pe_option options[] = {COMMAND_JSON_OPTION(json), COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {
        .name = "pe-vm list",
        .usage = "[options]",
        .about = "List the VMs with state, engine and size. One is dead if its owner was killed.",
        .options = options};
    struct place place;
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-vm list --help", argv[rest]);
    if (command_open_place(path, &place, err) < 0)
        return -1;
    json_t *list = json_array();
    if (!list || place_for_each(&place, add_to_list, list, err) < 0) {
        json_decref(list);
        return -1;
    }
    if (json)
        return command_print_json(list, err);
    print_table(list);
    json_decref(list);
    return 0;
}

int command_info(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {.name = "pe-vm info",
                                       .usage = "[options] NAME",
                                       .about = "Print state and settings of a VM as JSON.",
                                       .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0)
        return -1;
    json_t *json = describe(&place, &name, err);
    if (!json || describe_life(&place, &name, json, err) < 0) {
        json_decref(json);
        return -1;
    }
    return command_print_json(json, err);
}
