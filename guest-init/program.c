/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding the file `program`: the number of arguments, a space and the directory if that is not
 * /work, and a newline; then all arguments and all entries of the environment, each with a NUL behind
 * it. */
#include "guest-init/program.h"

#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Map the file as private memory, which strings point into. It ends with a NUL. */
static char *map(int fd, size_t *size)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return NULL;
    errno = EBADMSG;
    if (status.st_size < 4 || status.st_size > (off_t)PE_PROGRAM_BYTES_MAX)
        return NULL;
    *size = (size_t)status.st_size;
    char *text = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return NULL;
    errno = EBADMSG;
    return text[*size - 1] == '\0' ? text : NULL;
}

static size_t count_strings(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t at = 0; at < size; at++)
        count += text[at] == '\0';
    return count;
}

/* Read what follows the number, up to the newline. Returns what is behind it, or NULL if it has not
 * the right form. */
static char *read_directory(char *at, struct program *program)
{
    program->directory = "/work";
    char *newline = strchr(at, '\n');
    if (!newline)
        return NULL;
    if (at[0] == ' ' && at[1] == '/') {
        program->directory = at + 1;
        *newline = '\0';
    } else if (newline != at)
        return NULL;
    return newline + 1;
}

int program_read(int fd, struct program *program)
{
    size_t size = 0;
    char *text = map(fd, &size);
    char *at = NULL;
    unsigned long arguments = text ? strtoul(text, &at, 10) : 0;
    if (!text)
        return -1;
    errno = EBADMSG;
    at = read_directory(at, program);
    if (!at)
        return -1;
    size_t strings = count_strings(at, size - (size_t)(at - text));
    if (arguments == 0 || arguments > strings)
        return -1;
    char **list = calloc(strings + 2, sizeof *list);
    if (!list)
        return -1;
    program->arguments = list;
    program->environment = list + arguments + 1;
    for (size_t i = 0; i < strings; i++, at += strlen(at) + 1)
        list[i < arguments ? i : i + 1] = at;
    return 0;
}
