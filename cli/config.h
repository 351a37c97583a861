/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file, an INI file. cli/profile.h describes its contents. */
#ifndef PE_CLI_CONFIG_H
#define PE_CLI_CONFIG_H

#include "base/error.h"
#include "cli/profile.h"

/* Read the profile `name` into `profile`. `from` says where the name was given, as in "--profile",
 * for messages. PE_ERR_INVALID when there is no such profile or no file, PE_ERR_MALFORMED when the
 * file is wrong, belongs to another user, or has a token that others can read. The caller frees `profile`
 * with profile_free, also after a failure. */
int config_find(const char *name, const char *from, struct profile *profile,
                struct pe_error *err) PE_MUST_CHECK;

/* Read the default profile into `profile`. `profile` stays empty when there is no file or when it
 * sets no default. PE_ERR_MALFORMED as above, and when there is no profile of the default's name. The
 * caller frees `profile` with profile_free, also after a failure. */
int config_find_default(struct profile *profile, struct pe_error *err) PE_MUST_CHECK;

/* The content of a file that holds one secret, without the end of its line; the caller frees it. NULL with
 * PE_ERR_NOT_FOUND if there is no such file, PE_ERR_MALFORMED if others may read it or it belongs to another
 * user, PE_ERR_TOO_LARGE or PE_ERR_INTERNAL if it cannot be read. */
char *config_read_secret(const char *path, struct pe_error *err);

#endif
