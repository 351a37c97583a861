/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding the file `program`: the number of arguments, a space and the directory if that is not
 * /work, and a newline; then all arguments and all entries of the environment, each with a NUL behind
 * it.
 *
 * A small file is read into static memory, which program_prepare touches before there is a job. So it costs
 * one system call and no page fault. */
#include "guest-init/program.h"

#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEAST_SIZE = 4 }; /* of a file: "1\n", an argument of one character and its NUL */
static const char default_directory[] = "/work";

enum { SMALL_STRINGS = 128, SMALL_TEXT = 4096 - SMALL_STRINGS * sizeof(char *) };

/* One page. */
static struct {
    char text[SMALL_TEXT];
    char *list[SMALL_STRINGS];
} small __attribute__((aligned(4096)));

void program_prepare(void)
{
    *(volatile char *)small.text = *(const volatile char *)default_directory;
}

/* Read the file if it is small. Returns NULL if it is not, or cannot be read. */
static char *read_small(int fd, size_t *size)
{
    ssize_t n = pread(fd, small.text, sizeof small.text, 0);
    if (n <= 0 || n == (ssize_t)sizeof small.text)
        return NULL;
    *size = (size_t)n;
    return small.text;
}

/* Map the file as private memory. */
static char *map(int fd, size_t *size)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return NULL;
    errno = EBADMSG;
    if (status.st_size < LEAST_SIZE || status.st_size > (off_t)PE_PROGRAM_BYTES_MAX)
        return NULL;
    *size = (size_t)status.st_size;
    char *text = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    return text == MAP_FAILED ? NULL : text;
}

static char *read_text(int fd, size_t *size)
{
    char *text = read_small(fd, size);
    if (!text)
        text = map(fd, size);
    if (!text)
        return NULL;
    errno = EBADMSG;
    return *size >= LEAST_SIZE && text[*size - 1] == '\0' ? text : NULL;
}

/* Zeroed memory for `count` pointers. */
static char **make_list(struct program *program, size_t count)
{
    program->allocated = NULL;
    if (count <= SMALL_STRINGS) {
        memset(small.list, 0, sizeof small.list);
        return small.list;
    }
    program->allocated = calloc(count, sizeof *program->allocated);
    return program->allocated;
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
    program->directory = default_directory;
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

/* Read the number at the start. strtoul(3) has a table, which is one more page to touch. */
static size_t read_number(char **at, size_t most)
{
    size_t number = 0;
    for (; **at >= '0' && **at <= '9' && number <= most; ++*at)
        number = number * 10 + (size_t)(**at - '0');
    return number;
}

int program_read(int fd, struct program *program)
{
    size_t size = 0;
    char *text = read_text(fd, &size);
    char *at = text;
    if (!text)
        return -1;
    size_t arguments = read_number(&at, size);
    errno = EBADMSG;
    at = read_directory(at, program);
    if (!at)
        return -1;
    size_t strings = count_strings(at, size - (size_t)(at - text));
    if (arguments == 0 || arguments > strings)
        return -1;
    char **list = make_list(program, strings + 2);
    if (!list)
        return -1;
    program->text = text;
    program->size = size;
    program->arguments = list;
    program->environment = list + arguments + 1;
    for (size_t i = 0; i < strings; i++, at += strlen(at) + 1)
        list[i < arguments ? i : i + 1] = at;
    return 0;
}
