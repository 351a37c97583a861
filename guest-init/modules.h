/* Loading the kernel modules that the initramfs carries. */
#ifndef PE_GUEST_MODULES_H
#define PE_GUEST_MODULES_H

#include "base/error.h"

/* Load every module named in GUEST_MODULES/order, in that order. One that is loaded already is fine. */
int modules_load(struct pe_error *err) PE_MUST_CHECK;

#endif
