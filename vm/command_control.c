/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands that ask the owner of a VM for one thing and print its answer. */
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* pe-vm COMMAND NAME, which has no options of its own. */
static int ask_simply(const char *command, const char *about, int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    char title[32];
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    snprintf(title, sizeof title, "pe-vm %s", command);
    const struct pe_program program = {
        .name = title, .usage = "[options] NAME", .about = about, .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    pe_autojson json_t *answer = NULL;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0)
        return -1;
    return talk_ask(&place, &name, json_pack("{s:s}", "command", command), &answer, err);
}

int command_pause(int argc, char **argv, struct pe_error *err)
{
    return ask_simply("pause", "Stop the CPUs of a VM.", argc, argv, err);
}

int command_resume(int argc, char **argv, struct pe_error *err)
{
    return ask_simply("resume", "Let the CPUs of a paused VM run again.", argc, argv, err);
}

int command_resize(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    uint64_t memory = 0, cpus = 0;
    const struct pe_option options[] = {
        {"memory", 'm', "MIB", "how much memory it has then", PE_OPTION_NUMBER, &memory},
        {"cpus", 'c', "N", "how many virtual CPUs it has then", PE_OPTION_NUMBER, &cpus},
        COMMAND_PLACE_OPTION(path),
        {0}};
    const struct pe_program program = {.name = "pe-vm resize",
                                       .usage = "[options] NAME",
                                       .about = "Change memory and virtual CPUs of a VM while it runs.",
                                       .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    pe_autojson json_t *answer = NULL;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0)
        return -1;
    if ((!memory && !cpus) || memory > 1u << 20 || cpus > 64)
        return pe_fail(err, PE_ERR_INVALID, "--memory (up to 1048576) or --cpus (up to 64) is needed");
    return talk_ask(&place, &name,
                    json_pack("{s:s, s:I, s:I}", "command", "resize", "memory_mib", (json_int_t)memory,
                              "cpus", (json_int_t)cpus),
                    &answer, err);
}

/* ---- devices and snapshots: pe-vm COMMAND NAME ARGUMENT ---- */

/* Print the name of the device that was made. */
static int print_id(const json_t *answer, struct pe_error *err)
{
    const char *id = json_string_value(json_object_get(answer, "id"));
    if (id && (printf("%s\n", id) < 0 || fflush(stdout) != 0))
        return pe_fail_errno(err, "cannot print the name of the device");
    return 0;
}

static int ask_with_argument(const struct pe_program *program, const char *command, const char *key,
                             bool is_file, const bool *readonly, const char *const *path, int argc,
                             char **argv, struct pe_error *err)
{
    struct place place;
    struct vmname name;
    char absolute[PATH_MAX];
    int rest = 0;
    pe_autojson json_t *answer = NULL;
    if (command_begin(program, argc, argv, path, true, &place, &name, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected the name of a VM and one more argument; see %s --help",
                       program->name);
    if (is_file && !realpath(argv[rest], absolute))
        return pe_fail_errno(err, "cannot find %s", argv[rest]);
    if (talk_ask(&place, &name,
                 json_pack("{s:s, s:s, s:b}", "command", command, key, is_file ? absolute : argv[rest],
                           "readonly", readonly && *readonly),
                 &answer, err) < 0)
        return -1;
    return print_id(answer, err);
}

int command_add_disk(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    bool readonly = false;
    const struct pe_option options[] = {
        {"readonly", 'r', NULL, "the guest cannot write to it", PE_OPTION_FLAG, &readonly},
        COMMAND_PLACE_OPTION(path),
        {0}};
    const struct pe_program program = {.name = "pe-vm add-disk",
                                       .usage = "[options] NAME FILE",
                                       .about =
                                           "Plug a disk in while the VM runs. Prints the name of the device.",
                                       .options = options};
    return ask_with_argument(&program, "add-disk", "path", true, &readonly, &path, argc, argv, err);
}

int command_add_net(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {
        .name = "pe-vm add-net",
        .usage = "[options] NAME NETWORK",
        .about = "Plug a network device in while the VM runs. Prints the name of the device.",
        .options = options};
    return ask_with_argument(&program, "add-net", "network", false, NULL, &path, argc, argv, err);
}

int command_remove(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {.name = "pe-vm remove",
                                       .usage = "[options] NAME DEVICE",
                                       .about = "Take a device away that add-disk or add-net has plugged in.",
                                       .options = options};
    return ask_with_argument(&program, "remove", "device", false, NULL, &path, argc, argv, err);
}

/* The folder does not exist yet, so only the path of the one above it is looked up. */
int command_snapshot(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {
        .name = "pe-vm snapshot",
        .usage = "[options] NAME FOLDER",
        .about =
            "Save a VM with its disks to a new folder. The VM goes on; `pe-vm restore` makes another one.",
        .options = options};
    struct place place;
    struct vmname name;
    char here[PATH_MAX], folder[PATH_MAX + PATH_MAX];
    int rest = 0;
    pe_autojson json_t *answer = NULL;
    if (command_begin(&program, argc, argv, &path, true, &place, &name, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected the name of a VM and a folder; see pe-vm snapshot --help");
    if (!getcwd(here, sizeof here))
        return pe_fail_errno(err, "cannot find the current folder");
    snprintf(folder, sizeof folder, "%s%s%s", argv[rest][0] == '/' ? "" : here,
             argv[rest][0] == '/' ? "" : "/", argv[rest]);
    return talk_ask(&place, &name, json_pack("{s:s, s:s}", "command", "snapshot", "folder", folder), &answer,
                    err);
}
