/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a secret out of the memory that other processes inherit. Who sends it is worker/balancer_link.c. */
#include "worker/token.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe is not a file that others could open: it comes from the program that started this one. */
static int check_access(int fd, const char *file, struct pe_error *err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode))
        return 0;
    return pe_private_file_check(fd, file, err) < 0 ? pe_fail_context(err, "--token-file") : 0;
}

/* The first line of a file, without copies that stay in memory. The file may be a pipe. */
static int read_line(const char *file, char line[TOKEN_SIZE], struct pe_error *err)
{
    pe_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n = 1;
    if (fd < 0 && errno == ENOENT)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no file %s with a token", file);
    if (fd >= 0 && check_access(fd, file, err) < 0)
        return -1;
    while (fd >= 0 && n > 0 && used < TOKEN_SIZE - 1) {
        n = read(fd, line + used, TOKEN_SIZE - 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || n < 0)
        return pe_fail_errno(err, "cannot read the token in %s", file);
    line[used] = '\0';
    if (strcspn(line, "\r\n") == TOKEN_SIZE - 1)
        return pe_fail(err, PE_ERR_INVALID, "the token in %s has more than %u characters", file,
                       TOKEN_SIZE - 2);
    line[strcspn(line, "\r\n")] = '\0';
    for (const char *c = line; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return pe_fail(err, PE_ERR_INVALID, "the token in %s has characters other than printable ASCII",
                           file);
    return 0;
}

static int keep(const char *token, struct pe_error *err)
{
    pe_autoclose int fd = memfd_create("pe-token", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create a memfd for the token");
    if (pe_write_all(fd, token, strlen(token), "the memfd of the token", err) < 0)
        return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return pe_fail_errno(err, "cannot seal the memfd of the token");
    return pe_steal_fd(&fd);
}

int token_keep(const char *file, struct pe_error *err)
{
    char token[TOKEN_SIZE] = "";
    int fd = read_line(file, token, err) < 0 ? -1 : keep(token, err);
    explicit_bzero(token, sizeof token);
    return fd;
}

int token_load(int fd, char token[TOKEN_SIZE], struct pe_error *err)
{
    ssize_t n = fd < 0 ? 0 : pread(fd, token, TOKEN_SIZE - 1, 0);
    if (n < 0)
        return pe_fail_errno(err, "cannot read the memfd of the token");
    token[n] = '\0';
    return 0;
}
