/* SPDX-License-Identifier: Apache-2.0 */
/* The folder for request bodies, and what happens when its disk is full. The sizes of bodies are
 * limited elsewhere: by libh2o, and for jobs that wait by lb/core/scheduler.c. */
#include "lb/edge/spool.h"

#include "base/log.h"
#include "lb/edge/h2o.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPOOL_OVER = 4 * 1024 * 1024 };

static const char *spool_folder = "";

int spool_use_folder(const char *folder, struct pe_error *err)
{
    h2o_buffer_mmap_settings_t *spool = &h2o_socket_buffer_mmap_settings;
    int n = snprintf(spool->fn_template, sizeof spool->fn_template, "%s/pe-lb-XXXXXX", folder);
    if (n < 0 || (size_t)n >= sizeof spool->fn_template)
        return pe_fail(err, PE_ERR_INVALID, "--spool-dir %s is too long", folder);
    spool->threshold = SPOOL_OVER;
    spool_folder = folder;
    return 0;
}

/* Replaces the function of the C library, for this program and the libraries that it uses. The file of a
 * body is the only one that has no name. One that holds bytes already belongs to a buffer, which closes
 * it. */
int posix_fallocate(int fd, off_t offset, off_t size)
{
    struct stat st;
    bool is_spool = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0;
    int code = posix_fallocate64(fd, offset, size);
    if (code == 0 || !is_spool)
        return code;
    pe_log(PE_LOG_ERROR, "--spool-dir %s has no room for the body of a request, which is cut off: %s",
           spool_folder, strerror(code));
    if (st.st_size == 0)
        close(fd);
    errno = code; /* libh2o prints it */
    return code;
}
