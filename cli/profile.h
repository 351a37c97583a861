/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the server that a job is sent to. A configuration file gives servers names, called
 * profiles:
 *
 *   default = work
 *   [profile work]
 *   server = https://pe.example.org
 *   token-file = work.token         ; or token = TOKEN: an API key, or for a proxy in front
 *   ca = /etc/ssl/own-ca.pem        ; trust these instead of the system's
 *   cert = me.pem                   ; client certificate
 *   key = me.key                    ; key of the certificate
 *   cache-salt = SALT               ; share cached results only with jobs that have it
 *
 * Paths are absolute, begin with "~/", or are relative to the file's directory. The file is
 * $XDG_CONFIG_HOME/program-explorer/config, or ~/.config/… (XDG Base Directory Specification). */
#ifndef PE_CLI_PROFILE_H
#define PE_CLI_PROFILE_H

#include "base/error.h"
#include "base/options.h"

/* The profile name that means "no server": this program starts its own service. */
#define PROFILE_LOCAL "local"

struct profile {
    char *server; /* a URL; NULL: no server. All members are owned, and NULL when not set. */
    char *token, *ca, *cert, *key, *cache_salt;
};

/* What the command line says about the server: the arguments of --server, --profile and --key, or NULL. */
struct profile_choice {
    const char *server, *name, *key;
};

/* The options for that, in the table of a command. */
#define PROFILE_OPTIONS(choice)                                                                     \
    {"server",         's', "URL", "URL of a server, or a profile (or $PE_SERVER)", PE_OPTION_TEXT, \
     &(choice)->server},                                                                            \
    {                                                                                               \
        "profile", 'p', "PROFILE", "server of this profile (or $PE_PROFILE)", PE_OPTION_TEXT,       \
            &(choice)->name                                                                         \
    }
#define PROFILE_KEY_OPTION(choice)                                                                      \
    {                                                                                                   \
        "key", 0, "KEY", "API key, or @FILE that holds it (or $PE_KEY)", PE_OPTION_TEXT, &(choice)->key \
    }

/* Set `profile` to the first of these that is given: `choice->server` (a URL or the name of a profile),
 * `choice->name` (the name of one), $PE_SERVER, $PE_PROFILE, the default of the configuration file. If none
 * is given, `profile` has no server. A wrong argument or variable is PE_ERR_INVALID, and so are both
 * arguments. A wrong file is PE_ERR_MALFORMED with a message of the form FILE:LINE: reason. A file that holds
 * a token must be readable for its owner only.
 *
 * `choice->key` (an API key, or @ and the path of a file that holds it) or else $PE_KEY takes the place of
 * the profile's token. Without a server it is not used. PE_ERR_INVALID if it would cross a network
 * unencrypted. The caller frees `profile` with profile_free. */
int profile_choose(const struct profile_choice *choice, struct profile *profile,
                   struct pe_error *err) PE_MUST_CHECK;

/* Free what `profile` owns. */
void profile_free(struct profile *profile);

#endif
