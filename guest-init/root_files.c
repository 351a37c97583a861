/* SPDX-License-Identifier: Apache-2.0 */
/* Completing the root file system of a container. Images of Docker Hub have no or an empty /etc/hosts,
 * because container runtimes mount a file there. Here the files are written to the layer above the image,
 * so a program sees ordinary files that it can replace. The image is untrusted, so its paths are resolved
 * inside its root. */
#include "guest-init/root_files.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file of /etc that is larger stays as it is. */
#define FILE_MAX (1024u * 1024u)

/* Links and missing parents that are followed to make one directory. */
#define STEPS_MAX 16

static int open_in_root(int root, const char *path, int flags)
{
    const struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* ---- directories ---- */

static bool make_directory(int root, const char *path, mode_t mode, int steps);

/* The parent of a path, made if it is missing. Returns -1 if that is impossible. */
static int open_parent(int root, const char *path, const char *name, int steps)
{
    char parent[PATH_MAX];
    int length = (int)(name - path);
    snprintf(parent, sizeof parent, "%.*s", length, path);
    if (length > 0 && !make_directory(root, parent, 0755, steps))
        return -1;
    return open_in_root(root, length > 0 ? parent : "/", O_PATH | O_DIRECTORY);
}

/* Make the directory that a dangling link names. */
static bool make_target(int root, int parent, const char *path, const char *name, mode_t mode, int steps)
{
    char target[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length <= 0)
        return false;
    target[length] = '\0';
    snprintf(joined, sizeof joined, "%.*s%s", target[0] == '/' ? 0 : (int)(name - path), path, target);
    return strlen(joined) < PATH_MAX && make_directory(root, joined, mode, steps);
}

/* Make a directory unless it exists. It may be a link to one that is missing. */
static bool make_directory(int root, const char *path, mode_t mode, int steps)
{
    char trimmed[PATH_MAX];
    pe_autoclose int there = open_in_root(root, path, O_PATH | O_DIRECTORY);
    if (there >= 0)
        return true;
    if (errno != ENOENT || steps == 0)
        return false;
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    snprintf(trimmed, sizeof trimmed, "%.*s", (int)length, path);
    const char *slash = strrchr(trimmed, '/'), *name = slash ? slash + 1 : trimmed;
    pe_autoclose int parent = open_parent(root, trimmed, name, steps - 1);
    if (parent < 0)
        return false;
    if (mkdirat(parent, name, 0755) == 0)
        return fchmodat(parent, name, mode, 0) == 0;
    return errno == EEXIST && make_target(root, parent, trimmed, name, mode, steps - 1);
}

static void make_directories(int root)
{
    static const struct {
        const char *path;
        mode_t mode;
    } directories[] = {
        {"tmp", 01777},
        {"var/tmp", 01777},
        {"run/lock", 01777}, /* Debian makes it at each boot */
        {"root", 0700},      /* HOME of root, unless the image sets another one */
    };
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        bool made = make_directory(root, directories[i].path, directories[i].mode, STEPS_MAX);
        (void)made;
    }
}

/* ---- files of /etc ---- */

enum state { MISSING, THERE, UNUSABLE };

/* Read a file and append a NUL. What is not a regular file of at most FILE_MAX bytes is unusable. */
static enum state read_text(int root, const char *path, struct pe_buf *text)
{
    struct stat status;
    struct pe_error ignored;
    pe_autoclose int fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno != ENOENT)
        return UNUSABLE;
    if (fd < 0)
        return pe_buf_append(text, "", 1, &ignored) < 0 ? UNUSABLE : MISSING;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t)FILE_MAX ||
        pe_buf_reserve(text, (size_t)status.st_size + 1, &ignored) < 0)
        return UNUSABLE;
    ssize_t n = read(fd, text->data, (size_t)status.st_size);
    if (n != status.st_size || memchr(text->data, '\0', (size_t)n))
        return UNUSABLE;
    text->data[n] = '\0';
    text->size = (size_t)n + 1;
    return THERE;
}

/* Write a new file in the place of what is there, which may be a link to a file that is missing. */
static void replace(int root, const char *name, const char *text)
{
    struct pe_error ignored;
    pe_autoclose int etc =
        make_directory(root, "etc", 0755, STEPS_MAX) ? open_in_root(root, "etc", O_PATH | O_DIRECTORY) : -1;
    if (etc < 0 || (unlinkat(etc, name, 0) < 0 && errno != ENOENT))
        return;
    pe_autoclose int fd = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    int failed = fd < 0 || fchmod(fd, 0644) < 0 || pe_write_all(fd, text, strlen(text), name, &ignored) < 0;
    (void)failed;
}

/* Where a name leads. Programs take the first line of hosts(5) that has the name. */
enum mapping { ABSENT, LOOPBACK, ELSEWHERE };

/* The mapping that an address makes. ABSENT if this is no address: then the line counts for nothing. */
static enum mapping read_address(const char *text, size_t length)
{
    char address[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (length >= sizeof address)
        return ABSENT;
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET ? LOOPBACK : ELSEWHERE;
    if (inet_pton(AF_INET6, address, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) ? LOOPBACK : ELSEWHERE;
    return ABSENT;
}

/* What a line says about a name. */
static enum mapping read_line(const char *line, const char *wanted)
{
    static const char blanks[] = " \t\r", ends[] = " \t\r#\n";
    const char *at = line + strspn(line, blanks), *end = line + strcspn(line, "#\n");
    size_t length = strlen(wanted), size = strcspn(at, ends);
    enum mapping mapping = read_address(at, size);
    for (at += size; at < end; at += size) {
        at += strspn(at, blanks);
        size = strcspn(at, ends);
        if (size == length && !strncasecmp(at, wanted, length))
            return mapping;
    }
    return ABSENT;
}

static enum mapping find_name(const char *text, const char *wanted)
{
    enum mapping mapping = ABSENT;
    for (const char *line = text; *line && mapping == ABSENT; line += *line == '\n') {
        mapping = read_line(line, wanted);
        line += strcspn(line, "\n");
    }
    return mapping;
}

/* Names that the image lacks are added behind what it says. Names that lead elsewhere are added before it, so
 * that these lines are found first. */
static void complete_hosts(int root)
{
    /* localhost is 127.0.0.1 alone. If it were ::1 as well, some programs would try only that, which comes
     * first, and not find servers that listen at 127.0.0.1. */
    static const char localhost[] = "127.0.0.1\tlocalhost\n::1\tip6-localhost ip6-loopback\n";
    /* As on Debian, the own name has another address, so that this address leads back to it. */
    static const char own_name[] = "127.0.1.1\t" PE_GUEST_HOSTNAME "\n";
    struct pe_error ignored;
    pe_autobuf struct pe_buf before = {0};
    pe_autobuf struct pe_buf after = {0};
    if (read_text(root, "etc/hosts", &before) == UNUSABLE)
        return;
    const char *text = (const char *)before.data;
    enum mapping local = find_name(text, "localhost"), own = find_name(text, PE_GUEST_HOSTNAME);
    bool is_cut = before.size > 1 && text[before.size - 2] != '\n';
    if (local == LOOPBACK && own == LOOPBACK)
        return;
    if (pe_buf_printf(&after, &ignored, "%s%s%s%s%s%s", local == ELSEWHERE ? localhost : "",
                      own == ELSEWHERE ? own_name : "", text, is_cut ? "\n" : "",
                      local == ABSENT ? localhost : "", own == ABSENT ? own_name : "") == 0 &&
        pe_buf_append(&after, "", 1, &ignored) == 0)
        replace(root, "hosts", (const char *)after.data);
}

/* The name on the first line is that of the machine, or of the one that built the image. */
static void complete_hostname(int root)
{
    pe_autobuf struct pe_buf text = {0};
    if (read_text(root, "etc/hostname", &text) != UNUSABLE &&
        strcmp((const char *)text.data, PE_GUEST_HOSTNAME "\n") != 0)
        replace(root, "hostname", PE_GUEST_HOSTNAME "\n");
}

/* Without the file, some resolvers refuse to start. There is no name server: a query is refused at once. */
static void complete_resolv_conf(int root)
{
    pe_autobuf struct pe_buf text = {0};
    if (read_text(root, "etc/resolv.conf", &text) != UNUSABLE && text.size <= 1)
        replace(root, "resolv.conf",
                "# This machine has no network and no name server.\nnameserver 127.0.0.1\n");
}

void root_files_complete(int root)
{
    make_directories(root);
    complete_hosts(root);
    complete_hostname(root);
    complete_resolv_conf(root);
}
