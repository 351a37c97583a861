/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of `pe-lb key`. The keys themselves are lb/core/api_keys.c's part. A balancer that runs
 * learns of a change with SIGHUP. */
#include "lb/key_command.h"

#include "base/cleanup.h"
#include "base/command.h"
#include "base/io.h"
#include "base/options.h"
#include "base/private_file.h"
#include "lb/core/api_keys.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEY_FILE "/etc/program-explorer/keys"

struct arguments {
    const char *file, *name;
    struct client_limits limits;
};

static void cleanup_keys(struct api_keys *keys)
{
    api_keys_free(keys);
}
#define autokeys __attribute__((cleanup(cleanup_keys)))

/* Read the file. One that does not exist yet has no keys. */
static int read_keys(const char *file, struct api_keys *keys, struct pe_error *err)
{
    return api_keys_read(keys, file, err) == 0 || err->kind == PE_ERR_NOT_FOUND ? 0 : -1;
}

static int parse(const struct pe_program *program, int argc, char **argv, int *rest, struct pe_error *err)
{
    if (pe_options_parse(program, argc, argv, false, rest, err) < 0)
        return pe_fail_context(err, "%s", program->name);
    return 0;
}

/* ---- new ---- */

static int add_key(const struct arguments *arguments, char text[API_KEY_SIZE], struct pe_error *err)
{
    autokeys struct api_keys keys = {0};
    pe_autoclose int lock = pe_private_file_lock(arguments->file, err);
    if (lock < 0 || read_keys(arguments->file, &keys, err) < 0 ||
        api_keys_add(&keys, arguments->name, &arguments->limits, text, err) < 0)
        return -1;
    return api_keys_write(&keys, arguments->file, err);
}

static int command_new(int argc, char **argv, struct pe_error *err)
{
    struct arguments arguments = {.file = KEY_FILE};
    struct client_limits *limits = &arguments.limits;
    char text[API_KEY_SIZE];
    int rest = 0;
    const struct pe_option options[] = {
        {"name", 'n', "NAME", "whose key it is", PE_OPTION_TEXT, &arguments.name},
        {"jobs-per-minute", 0, "N", "how many jobs may be sent in a minute (default: no limit)",
         PE_OPTION_NUMBER, &limits->rate},
        {"cpu-seconds-per-day", 0, "N", "CPU time of all jobs in a day (default: no limit)", PE_OPTION_NUMBER,
         &limits->cpu_s},
        {"concurrent-jobs", 0, "N", "jobs that wait or run at a time (default: no limit)", PE_OPTION_NUMBER,
         &limits->jobs},
        {"key-file", 0, "FILE", "file of keys (default " KEY_FILE ")", PE_OPTION_TEXT, &arguments.file},
        {0}};
    const struct pe_program program = {
        .name = "pe-lb key new",
        .usage = "--name NAME [OPTION]...",
        .about = "Make an API key and print it. The file only gets its hash, so this is the only time.",
        .options = options};
    if (parse(&program, argc, argv, &rest, err) < 0)
        return -1;
    if (rest < argc || !arguments.name)
        return pe_fail(err, PE_ERR_INVALID, "expected --name NAME and no other argument; see %s --help",
                       program.name);
    if (limits->rate > 1000000000 || limits->cpu_s > 1000000000 || limits->jobs > 1000000000)
        return pe_fail(err, PE_ERR_INVALID, "a quota may be at most 1000000000");
    if (add_key(&arguments, text, err) < 0)
        return -1;
    printf("%s\n", text);
    fprintf(stderr,
            "pe-lb: this is the only copy of the key; a balancer that runs reads %s again on SIGHUP\n",
            arguments.file);
    return 0;
}

/* ---- list ---- */

static void print_quota(uint64_t quota)
{
    if (quota)
        printf("\t%llu", (unsigned long long)quota);
    else
        printf("\t-");
}

static void print_key(const struct api_key *key)
{
    char day[16] = "-";
    struct tm utc;
    time_t created = (time_t)key->created;
    if (gmtime_r(&created, &utc))
        (void)!strftime(day, sizeof day, "%Y-%m-%d", &utc);
    printf("%s\t%s\t%s", key->name, key->id, day);
    print_quota(key->limits.rate);
    print_quota(key->limits.cpu_s);
    print_quota(key->limits.jobs);
    printf("\n");
}

static int command_list(int argc, char **argv, struct pe_error *err)
{
    const char *file = KEY_FILE;
    autokeys struct api_keys keys = {0};
    int rest = 0;
    const struct pe_option options[] = {
        {"key-file", 0, "FILE", "file of keys (default " KEY_FILE ")", PE_OPTION_TEXT, &file}, {0}};
    const struct pe_program program = {
        .name = "pe-lb key list",
        .usage = "[OPTION]...",
        .about = "Print name, id, day and quotas of all keys, with tabs between them.",
        .options = options};
    if (parse(&program, argc, argv, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'", argv[rest]);
    if (read_keys(file, &keys, err) < 0)
        return -1;
    printf("name\tid\tcreated\tjobs/min\tcpu s/day\tconcurrent\n");
    for (size_t i = 0; i < keys.count; i++)
        print_key(&keys.items[i]);
    return 0;
}

/* ---- revoke ---- */

static int remove_key(const char *file, const char *name, struct pe_error *err)
{
    autokeys struct api_keys keys = {0};
    pe_autoclose int lock = pe_private_file_lock(file, err);
    if (lock < 0 || api_keys_read(&keys, file, err) < 0 || api_keys_remove(&keys, name, err) < 0)
        return -1;
    return api_keys_write(&keys, file, err);
}

static int command_revoke(int argc, char **argv, struct pe_error *err)
{
    const char *file = KEY_FILE;
    int rest = 0;
    const struct pe_option options[] = {
        {"key-file", 0, "FILE", "file of keys (default " KEY_FILE ")", PE_OPTION_TEXT, &file}, {0}};
    const struct pe_program program = {.name = "pe-lb key revoke",
                                       .usage = "[OPTION]... NAME",
                                       .about = "Remove the key of this name or id.",
                                       .options = options};
    if (parse(&program, argc, argv, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID, "expected one NAME; see %s --help", program.name);
    if (remove_key(file, argv[rest], err) < 0)
        return -1;
    fprintf(stderr, "pe-lb: a balancer that runs reads %s again on SIGHUP\n", file);
    return 0;
}

/* ---- the commands ---- */

int key_command(int argc, char **argv, struct pe_error *err)
{
    static const struct pe_command commands[] = {
        {"new", "make a key, with quotas", command_new},
        {"list", "list the keys", command_list},
        {"revoke", "remove a key", command_revoke},
        {0},
    };
    static const struct pe_command_list list = {
        .program = "pe-lb key", .about = "Manage the API keys of clients.", .items = commands};
    return pe_command_run(&list, argc, argv, err);
}
