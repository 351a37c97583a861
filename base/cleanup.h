/* Cleanup attributes: a resource ends with the scope that owns it; early return is the normal way out.
 * Ownership leaves a scope by an explicit steal. Every variable is initialised where it is declared. */
#ifndef PE_BASE_CLEANUP_H
#define PE_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void pe_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void pe_cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void pe_cleanup_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

static inline void pe_cleanup_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define pe_autofree __attribute__((cleanup(pe_cleanup_free)))   /* char *p = NULL */
#define pe_autoclose __attribute__((cleanup(pe_cleanup_close))) /* int fd = -1 */
#define pe_autofile __attribute__((cleanup(pe_cleanup_file)))   /* FILE *f = NULL */
#define pe_autodir __attribute__((cleanup(pe_cleanup_dir)))     /* DIR *d = NULL */

/* Take the value out of an owning variable, leaving it empty. */
static inline int pe_steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}

#define pe_steal_ptr(pointer)                             \
    ({                                                    \
        __typeof__(*(pointer)) stolen_value = *(pointer); \
        *(pointer) = NULL;                                \
        stolen_value;                                     \
    })

#endif
