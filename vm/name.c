/* SPDX-License-Identifier: Apache-2.0 */
/* The rule for names of VMs. */
#include "vm/name.h"

#include <string.h>

int vmname_parse(const char *text, struct vmname *name, struct pe_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const size_t length = strlen(text);
    if (length < 1 || length > VMNAME_MAX || text[0] == '-' || strspn(text, letters) != length)
        return pe_fail(
            err, PE_ERR_INVALID,
            "'%.60s' is not a name of a VM: it has 1 to %d lower-case letters, digits and hyphens, "
            "and does not begin with a hyphen",
            text, VMNAME_MAX);
    memcpy(name->text, text, length + 1);
    return 0;
}
