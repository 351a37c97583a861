/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the User Mode Linux kernel is older than the source that Debian offers, or than what this project
 * now expects of it. Nothing is downloaded: what is known comes from the package lists that are on this
 * machine. */
#ifndef PE_WORKER_UML_KERNEL_AGE_H
#define PE_WORKER_UML_KERNEL_AGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* After so many days without a look at Debian's package lists, a kernel counts as perhaps old. Debian's
 * kernels get security updates about once a month. */
#define UML_KERNEL_LOOK_DAYS 35u

struct uml_kernel_age {
    char source[128];   /* what it was compiled from, e.g. "linux-source-7.3 7.3.4-1"; "": not known, since
                           `make uml-kernel` did not compile it */
    char newer[64];     /* the newest version of a linux-source package that apt knows, if that is newer */
    unsigned look_days; /* since it was compiled, or the package lists were last read after that */
    bool has_pressure;  /* it tells guests their memory pressure (CONFIG_PSI), which older ones do not */
};

/* Find out about the kernel `kernel`, beside which `make uml-kernel` has put the file VERSION. `apt` is the
 * folder of its apt configuration (apt.conf, lists), which need not exist: the lists of the system are read
 * as well. Runs apt-cache, which takes some seconds. Fails with PE_ERR_NOT_FOUND if there is no kernel. */
int uml_kernel_age(const char *kernel, const char *apt, struct uml_kernel_age *age,
                   struct pe_error *err) PE_MUST_CHECK;

#endif
