/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the kernel modules that the initramfs carries. */
#ifndef PE_GUEST_INIT_MODULES_H
#define PE_GUEST_INIT_MODULES_H

#include "base/error.h"

/* Load the modules named in GUEST_MODULES/order, in that order. It is not an error if one is loaded
 * already. PE_ERR_INTERNAL names the module that the kernel refuses. */
int modules_load(struct pe_error *err) PE_MUST_CHECK;

#endif
