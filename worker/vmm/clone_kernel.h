/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a clone names to QEMU as its kernel. The kernel of a clone is in its RAM already. */
#ifndef PE_WORKER_VMM_CLONE_KERNEL_H
#define PE_WORKER_VMM_CLONE_KERNEL_H

#include "base/error.h"

/* Replace the descriptor `*kernel` by one of a file in memory that has only the beginning of the kernel, from
 * which QEMU chooses the same firmware as for the template. Only a bzImage is replaced: QEMU maps other
 * kernels, so they cost a clone nothing. Fails with PE_ERR_INTERNAL if the kernel cannot be read or the copy
 * cannot be made; `*kernel` is unchanged then. The caller closes it in any case. */
int clone_kernel_cut(int *kernel, struct pe_error *err) PE_MUST_CHECK;

#endif
