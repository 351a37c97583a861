/* SPDX-License-Identifier: Apache-2.0 */
/* The file `program` of a guest's input, as pe-shim reads it. What is accepted has arguments, an
 * environment and an absolute directory, and all of them are in the file. */
#include "base/cleanup.h"
#include "guest-init/program.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>

static char *mapped; /* by program_read, which leaves it for the process that becomes the program */
static size_t mapped_size;

/* In the place of mmap(2), for all code but libraries (Makefile). */
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory = __real_mmap(at, size, protection, flags, fd, offset);
    if (fd >= 0 && memory != MAP_FAILED) {
        mapped = memory;
        mapped_size = size;
    }
    return memory;
}

static size_t check_texts(const struct program *program, char *const *list)
{
    const char *text = program->text, *end = text + program->size;
    size_t count = 0;
    for (; list[count]; count++)
        HOLDS(list[count] >= text && list[count] + strlen(list[count]) < end);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct program program = {.directory = NULL};
    pe_autoclose int fd = fuzz_file(bytes, size);
    mapped = NULL;
    if (program_read(fd, &program) < 0) {
        HOLDS(errno);
    } else {
        HOLDS(program.directory[0] == '/' && check_texts(&program, program.arguments) >= 1);
        (void)check_texts(&program, program.environment);
        HOLDS(program.size == size);
        free(program.allocated);
    }
    if (mapped)
        HOLDS(munmap(mapped, mapped_size) == 0);
    return 0;
}
