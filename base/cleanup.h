/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup attributes. A resource is released at the end of the scope that owns it, so early return
 * is the normal way out of a function. Ownership leaves a scope only by an explicit steal. A
 * variable with a cleanup attribute must be initialised where it is declared. */
#ifndef PE_BASE_CLEANUP_H
#define PE_BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Free the memory that a pointer variable points to. */
static inline void pe_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

/* Close a descriptor, unless it is -1. */
static inline void pe_cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Close a stream, unless it is NULL. */
static inline void pe_cleanup_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* Close a directory, unless it is NULL. */
static inline void pe_cleanup_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define pe_autofree __attribute__((cleanup(pe_cleanup_free)))   /* char *p = NULL */
#define pe_autoclose __attribute__((cleanup(pe_cleanup_close))) /* int fd = -1 */
#define pe_autofile __attribute__((cleanup(pe_cleanup_file)))   /* FILE *f = NULL */
#define pe_autodir __attribute__((cleanup(pe_cleanup_dir)))     /* DIR *d = NULL */

/* Return the value of an owning variable and leave the variable empty. The caller owns the value
 * then. */
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
