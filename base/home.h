/* SPDX-License-Identifier: Apache-2.0 */
/* Where an installation has its files:
 *   HOME/bin/pe-*              the programs
 *   HOME/guest/vmlinux         the guest's kernel, HOME/guest/initramfs.cpio its initramfs
 *   HOME/images/               the image store (store/store.h)
 * HOME is the value of PE_HOME in the environment. If it is not set, HOME is the directory above
 * the running program's own directory, provided that it contains `guest` or `images`, as build/ of
 * a source tree does. Otherwise HOME is /var/lib/program-explorer. */
#ifndef PE_BASE_HOME_H
#define PE_BASE_HOME_H

#include "base/error.h"

#include <stddef.h>

/* Write HOME/`below` into `path`, a buffer of `size` bytes. PE_ERR_TOO_LARGE if it does not fit,
 * PE_ERR_INTERNAL if /proc/self/exe cannot be read. */
int pe_home_path(const char *below, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Write the path of the program `name`: in the directory of the running program if it is there,
 * otherwise in HOME/bin, whether there is such a file or not. Fails as above. */
int pe_home_program(const char *name, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

#endif
