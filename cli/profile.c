/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which places are searched for a server. config.c reads the configuration file. */
#include "cli/profile.h"

#include "base/cleanup.h"
#include "cli/config.h"
#include "cli/http_server.h"

#include <stdlib.h>
#include <string.h>

void profile_free(struct profile *profile)
{
    free(profile->server);
    free(profile->token);
    free(profile->ca);
    free(profile->cert);
    free(profile->key);
    free(profile->cache_salt);
    *profile = (struct profile){0};
}

static int use_url(const char *url, const char *from, struct profile *profile, struct pe_error *err)
{
    if (http_server_check(url, err) < 0)
        return pe_fail_context(err, "%s", from);
    profile->server = strdup(url);
    return profile->server ? 0 : pe_fail_errno(err, "out of memory for the argument of %s", from);
}

static int use_name(const char *name, const char *from, struct profile *profile, struct pe_error *err)
{
    if (!strcmp(name, PROFILE_LOCAL))
        return 0;
    return config_find(name, from, profile, err);
}

static int use_either(const char *text, const char *from, struct profile *profile, struct pe_error *err)
{
    return http_is_url(text) ? use_url(text, from, profile, err) : use_name(text, from, profile, err);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int choose(const char *server, const char *name, struct profile *profile, struct pe_error *err)
{
    if (server)
        return use_either(server, "--server", profile, err);
    if (name)
        return use_name(name, "--profile", profile, err);
    if ((server = environment("PE_SERVER")))
        return use_either(server, "PE_SERVER", profile, err);
    if ((name = environment("PE_PROFILE")))
        return use_name(name, "PE_PROFILE", profile, err);
    return config_find_default(profile, err);
}

static char *read_key(const char *key, const char *from, struct pe_error *err)
{
    char *text = key[0] == '@' ? config_read_secret(key + 1, err) : strdup(key);
    if (text && http_is_printable(text))
        return text;
    if (text || key[0] != '@') {
        free(text);
        pe_fail(err, PE_ERR_INVALID, "%s: a key must be one or more printable characters without spaces",
                from);
        return NULL;
    }
    pe_fail_context(err, "%s", from);
    err->kind = PE_ERR_INVALID;
    return NULL;
}

/* Put a key in the place of the profile's token. */
static int use_key(const char *key, struct profile *profile, struct pe_error *err)
{
    const char *from = key ? "--key" : "PE_KEY";
    key = key ? key : environment("PE_KEY");
    if (!key || !profile->server)
        return 0;
    if (http_server_is_unencrypted(profile->server))
        return pe_fail(err, PE_ERR_INVALID, "%s would be sent unencrypted to %s: use https://", from,
                       profile->server);
    free(profile->token);
    profile->token = read_key(key, from, err);
    return profile->token ? 0 : -1;
}

int profile_choose(const struct profile_choice *choice, struct profile *profile, struct pe_error *err)
{
    *profile = (struct profile){0};
    if (choice->server && choice->name)
        return pe_fail(err, PE_ERR_INVALID,
                       "--server and --profile both choose a server: give only one of them");
    if (choose(choice->server, choice->name, profile, err) == 0 && use_key(choice->key, profile, err) == 0)
        return 0;
    profile_free(profile);
    return -1;
}
