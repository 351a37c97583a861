/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a VM. A value of this type has been checked, so it can be a part of a path, of the name of a
 * network interface and of a command line. */
#ifndef PE_VM_NAME_H
#define PE_VM_NAME_H

#include "base/error.h"

#define VMNAME_MAX 32 /* letters of a name */

struct vmname {
    char text[VMNAME_MAX + 1];
};

/* Check `text` and copy it to `*name`. A name has 1 to VMNAME_MAX lower-case letters, digits and hyphens, and
 * begins with a letter or a digit. PE_ERR_INVALID otherwise. */
int vmname_parse(const char *text, struct vmname *name, struct pe_error *err) PE_MUST_CHECK;

#endif
