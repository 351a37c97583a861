/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the files that a program needs. Its own dynamic loader says which libraries it would load,
 * so the list is exact. What is done with the list is in jail_root.c and landlock.c. */
#include "worker/vmm/jail_files.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bound on what a loader prints. QEMU's libraries are 5 KiB. */
#define LIST_MAX (256u << 10)

/* A program without it would search for each library in several folders. */
#define LOADER_CACHE "/etc/ld.so.cache"

static int is_listed(const struct jail_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->items[i].path, path))
            return 1;
    return 0;
}

int jail_files_add(struct jail_files *files, enum jail_file_use use, const char *path, struct pe_error *err)
{
    if (is_listed(files, path) || access(path, F_OK) < 0)
        return 0;
    struct jail_file *items = reallocarray(files->items, files->count + 1, sizeof *items);
    if (items)
        files->items = items;
    char *copy = items ? strdup(path) : NULL;
    if (!copy)
        return pe_fail_errno(err, "out of memory for the list of a VMM's files");
    files->items[files->count++] = (struct jail_file){.path = copy, .use = use};
    return 0;
}

void jail_files_free(struct jail_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct jail_files){0};
}

/* ---- the dynamic loader ---- */

/* Write the path of a program's dynamic loader to `loader`, or "" if it has none (elf(5), PT_INTERP). */
static int find_loader(const char *program, char loader[PATH_MAX], struct pe_error *err)
{
    Elf64_Ehdr header;
    loader[0] = '\0';
    pe_autoclose int fd = open(program, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", program);
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return 0;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;
        off_t at = (off_t)(header.e_phoff + i * sizeof part);
        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part)
            return 0;
        if (part.p_type != PT_INTERP)
            continue;
        size_t size = part.p_filesz < PATH_MAX ? part.p_filesz : PATH_MAX - 1;
        ssize_t n = pread(fd, loader, size, (off_t)part.p_offset);
        loader[n > 0 ? n : 0] = '\0';
        return 0;
    }
    return 0;
}

/* The loader gets an empty environment, as the VMM does. */
static void become_loader(const char *loader, const char *program, int output) __attribute__((noreturn));
static void become_loader(const char *loader, const char *program, int output)
{
    const char *const argv[] = {loader, "--list", program, NULL};
    char *const environment[] = {NULL};
    if (dup2(output, STDOUT_FILENO) >= 0)
        execve(loader, (char *const *)(uintptr_t)argv, environment);
    _exit(127);
}

static int ask_loader(const char *loader, const char *program, struct pe_buf *list, struct pe_error *err)
{
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe for %s", loader);
    pid_t pid = fork();
    if (pid == 0)
        become_loader(loader, program, ends[1]);
    close(ends[1]);
    int failed = pid < 0 ? pe_fail_errno(err, "cannot fork %s", loader)
                         : pe_read_all(ends[0], LIST_MAX, list, loader, err);
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (failed || status == 0)
        return failed;
    return pe_fail(err, PE_ERR_INTERNAL, "`%s --list %s` failed, so the libraries of %s are not known",
                   loader, program, program);
}

/* A line is "NAME => PATH (ADDRESS)", or "PATH (ADDRESS)" for the loader itself. The kernel's vDSO has
 * no path. */
static int add_library(struct jail_files *files, char *line, struct pe_error *err)
{
    char *arrow = strstr(line, "=> "), *path = arrow ? arrow + 3 : line + strspn(line, " \t");
    char *end = strstr(path, " (");
    if (path[0] != '/' || !end)
        return 0;
    *end = '\0';
    return jail_files_add(files, JAIL_FILE_READ, path, err);
}

static int add_libraries(struct jail_files *files, const char *loader, const char *program,
                         struct pe_error *err)
{
    pe_autobuf struct pe_buf list = {0};
    char *rest = NULL;
    if (ask_loader(loader, program, &list, err) < 0 || pe_buf_append(&list, "", 1, err) < 0)
        return -1;
    for (char *line = strtok_r((char *)list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (add_library(files, line, err) < 0)
            return -1;
    return jail_files_add(files, JAIL_FILE_READ, LOADER_CACHE, err);
}

int jail_files_add_program(struct jail_files *files, const char *program, struct pe_error *err)
{
    char loader[PATH_MAX];
    if (access(program, X_OK) < 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no %s", program);
    if (jail_files_add(files, JAIL_FILE_READ, program, err) < 0 || find_loader(program, loader, err) < 0)
        return -1;
    if (!loader[0])
        return 0;
    if (jail_files_add(files, JAIL_FILE_READ, loader, err) < 0)
        return -1;
    return add_libraries(files, loader, program, err);
}
