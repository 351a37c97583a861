/* SPDX-License-Identifier: Apache-2.0 */
/* Each VMM gets a Landlock domain of its own before exec, so that all of its threads and children are
 * inside.
 *
 * cloud-hypervisor can use Landlock itself (landlock_enable), but it adds a rule for every file
 * that it is given. The kernel refuses a rule for a memfd (EBADFD), and memfds are behind a VM's
 * devices. It does not deny access to them either: they are on a file system that no user can mount
 * (is_nouser_or_private in the kernel's security/landlock/fs.c). */
#include "worker/vmm/landlock.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/landlock.h of Linux 6.12. The headers of Debian 12 are older. */
#define ACCESS_FS_TRUNCATE (1ull << 14)        /* version 3 */
#define ACCESS_NET_BIND_TCP (1ull << 0)        /* version 4 */
#define ACCESS_NET_CONNECT_TCP (1ull << 1)     /* version 4 */
#define ACCESS_FS_IOCTL_DEV (1ull << 15)       /* version 5 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0) /* version 6 */
#define SCOPE_SIGNAL (1ull << 1)               /* version 6 */

struct attributes {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* version 4 */
    uint64_t scoped;             /* version 6 */
};

#define READING (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                       \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |       \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
#define TO_WRITE_A_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)
/* The kernel refuses the other rights in a rule for something that is not a folder. */
#define OF_A_FILE \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | TO_WRITE_A_FILE | ACCESS_FS_IOCTL_DEV)

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : (int)version;
}

static struct attributes denied(int version)
{
    struct attributes attributes = {.handled_access_fs = READING | WRITING};
    if (version >= 2)
        attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        attributes.handled_access_fs |= ACCESS_FS_TRUNCATE;
    if (version >= LANDLOCK_TCP)
        attributes.handled_access_net = ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP;
    if (version >= LANDLOCK_DEVICES)
        attributes.handled_access_fs |= ACCESS_FS_IOCTL_DEV;
    if (version >= LANDLOCK_SCOPE)
        attributes.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    return attributes;
}

/* The kernel refuses a size that it does not know, unless the rest is zero. */
static int make_ruleset(const struct attributes *attributes)
{
    return (int)syscall(SYS_landlock_create_ruleset, attributes, sizeof *attributes, 0);
}

/* A ruleset under construction. */
struct ruleset {
    int fd;
    uint64_t handled;
};

/* Allow `access` to what `fd` is. What has no name needs no rule. */
static int allow(const struct ruleset *ruleset, int fd, uint64_t access)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -1;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = access & ruleset->handled & (S_ISDIR(status.st_mode) ? ~0ull : OF_A_FILE),
        .parent_fd = fd};
    int failed = (int)syscall(SYS_landlock_add_rule, ruleset->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    return failed && errno == EBADFD ? 0 : failed;
}

/* A file that does not exist needs no rule. */
static int allow_path(const struct ruleset *ruleset, const char *path, uint64_t access)
{
    pe_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? 0 : allow(ruleset, fd, access);
}

static int allow_files(const struct ruleset *ruleset, const struct jail_files *files, bool own_root)
{
    if (own_root && allow_path(ruleset, "/", READING) < 0)
        return -1;
    for (size_t i = 0; i < files->count; i++) {
        bool device = files->items[i].use == JAIL_FILE_DEVICE;
        uint64_t access =
            device ? TO_WRITE_A_FILE | LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_FS_IOCTL_DEV : READING;
        if ((device || !own_root) && allow_path(ruleset, files->items[i].path, access) < 0)
            return -1;
    }
    return 0;
}

/* VMMs open these once more, through /proc/self/fd. Sockets and the like have no name. */
static int allow_inherited(const struct ruleset *ruleset, int first, int last)
{
    for (int fd = first; fd <= last; fd++) {
        int flags = fcntl(fd, F_GETFL);
        uint64_t writing = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? TO_WRITE_A_FILE : 0;
        if (flags < 0 || allow(ruleset, fd, READING | writing) < 0)
            return -1;
    }
    return 0;
}

int landlock_confine(const struct landlock_grants *grants)
{
    int version = landlock_version();
    if (version < LANDLOCK_FILES)
        return 0;
    const struct attributes attributes = denied(version);
    pe_autoclose int fd = make_ruleset(&attributes);
    const struct ruleset ruleset = {.fd = fd, .handled = attributes.handled_access_fs};
    if (fd < 0 || allow_files(&ruleset, grants->files, grants->own_root) < 0 ||
        (grants->folder[0] && allow_path(&ruleset, grants->folder, ~0ull) < 0) ||
        allow_inherited(&ruleset, grants->first, grants->last) < 0)
        return -1;
    return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}

int landlock_confine_reader(const struct landlock_reader *reader)
{
    int version = landlock_version();
    if (version < LANDLOCK_FILES)
        return 0;
    struct attributes attributes = denied(version);
    if (reader->connects)
        attributes.handled_access_net &= ~ACCESS_NET_CONNECT_TCP;
    pe_autoclose int fd = make_ruleset(&attributes);
    const struct ruleset ruleset = {.fd = fd, .handled = attributes.handled_access_fs};
    const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    if (fd < 0 || (reader->folder >= 0 && allow(&ruleset, reader->folder, reading) < 0) ||
        (reader->own_folder &&
         allow_path(&ruleset, reader->own_folder, ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE) < 0))
        return -1;
    for (const char *const *path = reader->readable; path && *path; path++)
        if (allow_path(&ruleset, *path, reading) < 0)
            return -1;
    return (int)syscall(SYS_landlock_restrict_self, fd, 0);
}
