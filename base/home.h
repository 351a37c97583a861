/* Where an installation keeps its parts:
 *   HOME/bin/pe-*              the programs
 *   HOME/guest/vmlinux         the guest's kernel, HOME/guest/initramfs.cpio its initramfs
 *   HOME/images/               the image store (store/store.h)
 * HOME is the environment's PE_HOME, else the directory above the running program's own when it holds `guest`
 * or `images` (a source tree's build/), else /var/lib/program-explorer. */
#ifndef PE_BASE_HOME_H
#define PE_BASE_HOME_H

#include "base/error.h"

#include <stddef.h>

/* Write HOME/`below` into `path` of `size` bytes. PE_ERR_TOO_LARGE when it does not fit. */
int pe_home_path(const char *below, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* Write the path of program `name`: beside the running one when it is there, else HOME/bin. */
int pe_home_program(const char *name, char *path, size_t size, struct pe_error *err) PE_MUST_CHECK;

#endif
