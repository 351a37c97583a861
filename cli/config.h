/* The configuration file: an INI file, read by libinih. Its form is described in cli/profile.h. */
#ifndef PE_CLI_CONFIG_H
#define PE_CLI_CONFIG_H

#include "base/error.h"
#include "cli/profile.h"

/* Fill in the profile `name`, which `from` asked for (as "--profile"). PE_ERR_INVALID when there is none. */
int config_find(const char *name, const char *from, struct profile *profile,
                struct pe_error *err) PE_MUST_CHECK;

/* The profile that the file says is the default; none is left empty, also when there is no file. */
int config_find_default(struct profile *profile, struct pe_error *err) PE_MUST_CHECK;

#endif
