/* SPDX-License-Identifier: Apache-2.0 */
/* Programs for another instruction set. User Mode Linux cannot run 32-bit programs, and execve(2) says only
 * "Exec format error", or a shell takes the program for a script. So the kernel hands such a program to
 * pe-shim, which names the cause. */
#ifndef PE_GUEST_INIT_FOREIGN_H
#define PE_GUEST_INIT_FOREIGN_H

#include "base/error.h"

/* The name under which the kernel starts pe-shim for such a program; a link to it in the initramfs. */
#define GUEST_FOREIGN "/bin/pe-foreign"

/* Register it for 32-bit programs, if this kernel has none of its own for them. Does nothing for a kernel
 * without binfmt_misc, or one that runs 32-bit programs itself. PE_ERR_INTERNAL if the kernel refuses it. */
int foreign_register(struct pe_error *err) PE_MUST_CHECK;

#endif
