/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change and list the store of host tokens. A running balancer notices the change by
 * itself. */
#include "lb/token_command.h"

#include "base/cleanup.h"
#include "base/command.h"
#include "base/io.h"
#include "base/options.h"
#include "base/time_text.h"
#include "codec/json_list.h"
#include "lb/edge/host_tokens.h"
#include "proto/job_spec.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CODE_BYTES = 16 };
#define CODE_PREFIX "join-"

struct token_options {
    const char *folder, *host, *expires;
    bool json;
};

static int parse(struct token_options *values, const char *name, const char *about,
                 const struct pe_option *options, int argc, char **argv, struct pe_error *err)
{
    const struct pe_program program = {
        .name = name, .usage = "[OPTION]...", .about = about, .options = options};
    int rest = argc;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see %s --help", argv[rest], name);
    return values->host ? host_name_check(values->host, err) : 0;
}

#define FOLDER_OPTION(values)                                                                        \
    {                                                                                                \
        "tokens", 0, "DIR", "store of host tokens (default " HOST_TOKENS_FOLDER ")", PE_OPTION_TEXT, \
            &(values).folder                                                                         \
    }

/* ---- new ---- */

/* A host that has not joined yet gets another code, and the older one is forgotten. */
static int enter(struct host_tokens *tokens, const struct host_token *entry, struct pe_error *err)
{
    struct host_token *before = host_tokens_find(tokens, entry->host);
    if (!before)
        return host_tokens_add(tokens, entry, err);
    if (before->token[0])
        return pe_fail(err, PE_ERR_INVALID,
                       "host '%s' has joined already; revoke its token first: pe-lb token revoke --host %s",
                       entry->host, entry->host);
    *before = *entry;
    return 0;
}

static int add_entry(const char *folder, const struct host_token *entry, struct pe_error *err)
{
    host_autotokens struct host_tokens tokens = {0};
    pe_autoclose int lock = host_tokens_lock(folder, true, err);
    if (lock < 0 || host_tokens_read(folder, &tokens, err) < 0 || enter(&tokens, entry, err) < 0)
        return -1;
    return host_tokens_write(folder, &tokens, err);
}

static int command_new(int argc, char **argv, struct pe_error *err)
{
    struct token_options values = {.folder = HOST_TOKENS_FOLDER, .expires = "1h"};
    const struct pe_option options[] = {
        {"host", 0, "NAME", "name of the host, which its worker then has", PE_OPTION_TEXT, &values.host},
        {"expires", 0, "TIME", "how long the code is valid: 90s, 30m, 1h, 7d (default 1h)", PE_OPTION_TEXT,
         &values.expires},
        FOLDER_OPTION(values),
        {0}};
    char code[sizeof CODE_PREFIX + 2 * CODE_BYTES] = CODE_PREFIX, text[PE_TIME_TEXT_SIZE];
    struct host_token entry = {.created = time(NULL)};
    if (parse(&values, "pe-lb token new",
              "Make a join code, with which one host can join once, and print it. `pe-worker join` takes it.",
              options, argc, argv, err) < 0)
        return -1;
    if (!values.host)
        return pe_fail(err, PE_ERR_INVALID, "--host NAME is missing: it names the host that may join");
    const int64_t seconds = pe_duration_parse(values.expires, err);
    if (seconds < 0)
        return pe_fail_context(err, "--expires");
    pe_random_hex(code + strlen(CODE_PREFIX), CODE_BYTES);
    snprintf(entry.host, sizeof entry.host, "%s", values.host);
    entry.expires = entry.created + seconds;
    if (pe_sha256_hex(code, strlen(code), entry.code, err) < 0 || add_entry(values.folder, &entry, err) < 0)
        return -1;
    printf("%s\n", code);
    fprintf(stderr, "valid once, until %s; on %s, run: pe-worker join URL-OF-THE-BALANCER\n",
            pe_time_text(entry.expires, text), entry.host);
    return 0;
}

/* ---- list ---- */

static json_t *time_to_json(int64_t seconds)
{
    char text[PE_TIME_TEXT_SIZE];
    return seconds ? json_string(pe_time_text(seconds, text)) : json_null();
}

static json_t *token_to_json(const struct host_token *token, int64_t now)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "host", token->host, "state",
                     host_token_state(token, now), "created", time_to_json(token->created), "expires",
                     time_to_json(token->expires), "joined", time_to_json(token->joined), "last_seen",
                     time_to_json(token->seen));
}

static int print_json(const struct host_tokens *tokens, int64_t now, struct pe_error *err)
{
    pe_autojson json_t *list = json_array();
    for (size_t i = 0; i < tokens->count; i++)
        pe_json_list_add(&list, token_to_json(&tokens->items[i], now));
    if (!list)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list");
    if (json_dumpf(list, stdout, JSON_INDENT(1)) < 0 || putchar('\n') < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot print the list");
    return 0;
}

static void print_table(const struct host_tokens *tokens, int64_t now)
{
    printf("%-24s %-8s %-20s %-20s %-20s\n", "HOST", "STATE", "CODE EXPIRES", "JOINED", "LAST SEEN");
    for (size_t i = 0; i < tokens->count; i++) {
        const struct host_token *token = &tokens->items[i];
        char expires[PE_TIME_TEXT_SIZE], joined[PE_TIME_TEXT_SIZE], seen[PE_TIME_TEXT_SIZE];
        printf("%-24s %-8s %-20s %-20s %-20s\n", token->host, host_token_state(token, now),
               token->token[0] ? "-" : pe_time_text(token->expires, expires),
               token->joined ? pe_time_text(token->joined, joined) : "-",
               token->seen ? pe_time_text(token->seen, seen) : "-");
    }
}

static int command_list(int argc, char **argv, struct pe_error *err)
{
    struct token_options values = {.folder = HOST_TOKENS_FOLDER};
    const struct pe_option options[] = {
        {"json", 0, NULL, "print JSON", PE_OPTION_FLAG, &values.json}, FOLDER_OPTION(values), {0}};
    host_autotokens struct host_tokens tokens = {0};
    if (parse(&values, "pe-lb token list", "List the hosts that have joined or may join.", options, argc,
              argv, err) < 0 ||
        host_tokens_read(values.folder, &tokens, err) < 0)
        return -1;
    if (values.json)
        return print_json(&tokens, time(NULL), err);
    print_table(&tokens, time(NULL));
    return 0;
}

/* ---- revoke ---- */

static int remove_entry(const char *folder, const char *host, struct pe_error *err)
{
    host_autotokens struct host_tokens tokens = {0};
    pe_autoclose int lock = host_tokens_lock(folder, true, err);
    if (lock < 0 || host_tokens_read(folder, &tokens, err) < 0)
        return -1;
    struct host_token *found = host_tokens_find(&tokens, host);
    if (!found)
        return pe_fail(err, PE_ERR_NOT_FOUND, "no host '%s' has joined or may join; see pe-lb token list",
                       host);
    host_tokens_remove(&tokens, found);
    return host_tokens_write(folder, &tokens, err);
}

static int command_revoke(int argc, char **argv, struct pe_error *err)
{
    struct token_options values = {.folder = HOST_TOKENS_FOLDER};
    const struct pe_option options[] = {{"host", 0, "NAME",
                                         "the host whose token, or join code, is no longer valid",
                                         PE_OPTION_TEXT, &values.host},
                                        FOLDER_OPTION(values),
                                        {0}};
    if (parse(&values, "pe-lb token revoke",
              "Revoke the token of a host. A running balancer ends the host's connections within a second or "
              "two,\nand gives its jobs to others.",
              options, argc, argv, err) < 0)
        return -1;
    if (!values.host)
        return pe_fail(err, PE_ERR_INVALID, "--host NAME is missing: it names the host to revoke");
    return remove_entry(values.folder, values.host, err);
}

/* ---- the commands ---- */

int token_command(int argc, char **argv, struct pe_error *err)
{
    static const struct pe_command commands[] = {
        {"new", "make a code with which a host can join", command_new},
        {"list", "list the hosts that have joined or may join", command_list},
        {"revoke", "shut a host out", command_revoke},
        {0},
    };
    static const struct pe_command_list list = {
        .program = "pe-lb token", .about = "Let hosts join, list them, or shut them out.", .items = commands};
    return pe_command_run(&list, argc, argv, err);
}
