/* Which server a run goes to. A configuration file names servers as profiles:
 *
 *   default = work
 *   [profile work]
 *   server = https://pe.example.org
 *   token-file = work.token         ; or token = …; for a proxy in front of the service
 *   ca = /etc/ssl/own-ca.pem        ; instead of the system's certificates
 *   cert = me.pem                   ; who we are, when the server asks,
 *   key = me.key                    ; and its key
 *
 * Paths are absolute, begin with "~/", or are relative to the file's directory. The file is
 * $XDG_CONFIG_HOME/program-explorer/config, or ~/.config/… (XDG Base Directory Specification). */
#ifndef PE_CLI_PROFILE_H
#define PE_CLI_PROFILE_H

#include "base/error.h"

/* A name that stands for no server: this program starts its own. */
#define PROFILE_LOCAL "local"

struct profile {
    char *server; /* a URL, or NULL: no server; all are owned, and NULL where not given */
    char *token, *ca, *cert, *key;
};

/* Choose by the first of these that is there: `server` (of --server, a URL or a profile's name), `name` (of
 * --profile), $PE_SERVER (as --server), $PE_PROFILE, the file's default; else there is no server. What is
 * wrong with the words above is PE_ERR_INVALID, with the file PE_ERR_MALFORMED as FILE:LINE: why. A file that
 * holds a secret, or names one, must be readable for its owner only. */
int profile_choose(const char *server, const char *name, struct profile *profile,
                   struct pe_error *err) PE_MUST_CHECK;

void profile_free(struct profile *profile);

#endif
