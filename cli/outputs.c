/* SPDX-License-Identifier: Apache-2.0 */
/* Writing output files whose names a hostile program chose. The kernel resolves every path beneath
 * the output directory and follows no symbolic link: openat2(2), Linux 5.6. */
#include "cli/outputs.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_beneath(int root, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* A name may contain any byte but NUL. It is made printable, because the message goes to a
 * terminal. */
static int fail_file(const char *what, const struct pe_path *path, struct pe_error *err)
{
    char shown[256];
    int saved = errno;
    pe_path_printable(path->text, path->length, shown, sizeof shown);
    errno = saved;
    return pe_fail_errno(err, "cannot save output file '%s': %s", shown, what);
}

/* Open the directory of a file, and create it and its parents if necessary. -1 on failure. */
static int open_parent(int root, const struct pe_path *path, struct pe_error *err)
{
    pe_autoclose int at = open_beneath(root, ".", O_RDONLY | O_DIRECTORY, 0);
    const char *name = path->text;
    for (const char *slash; at >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        char component[PE_PATH_COMPONENT_MAX + 1];
        size_t size = (size_t)(slash - name);
        memcpy(component, name, size);
        component[size] = '\0';
        if (mkdirat(at, component, 0777) < 0 && errno != EEXIST)
            return fail_file("cannot create its directory", path, err);
        int below = open_beneath(at, component, O_RDONLY | O_DIRECTORY, 0);
        if (below < 0)
            return fail_file("cannot open its directory", path, err);
        close(at);
        at = below;
    }
    return at >= 0 ? pe_steal_fd(&at) : pe_fail_errno(err, "cannot open the output directory");
}

/* A file keeps its bit for execution; the other bits are those of a new file of this user. The time is the
 * last thing to be set, because writing changes it. */
static int set_mtime(int fd, const struct response_file *file, struct pe_error *err)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = file->mtime}};
    return file->mtime && futimens(fd, times) < 0 ? fail_file("cannot set its time", &file->path, err) : 0;
}

static int write_file(int root, const struct response_file *file, struct pe_error *err)
{
    pe_autoclose int parent = open_parent(root, &file->path, err);
    if (parent < 0)
        return -1;
    const char *slash = strrchr(file->path.text, '/');
    const char *name = slash ? slash + 1 : file->path.text;
    /* An existing file is removed instead of overwritten, because it may be a link to another
     * file. */
    if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
        return fail_file("cannot remove the old file", &file->path, err);
    pe_autoclose int fd = open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                       file->is_executable ? 0777 : 0666);
    if (fd < 0)
        return fail_file("cannot create it", &file->path, err);
    if (pe_write_all(fd, file->bytes.data, file->bytes.size, "an output file", err) < 0)
        return -1;
    return set_mtime(fd, file, err);
}

/* Make a folder, unless it exists already, and set its time. */
static int finish_folder(int root, const struct response_file *folder, struct pe_error *err)
{
    pe_autoclose int parent = open_parent(root, &folder->path, err);
    if (parent < 0)
        return -1;
    const char *slash = strrchr(folder->path.text, '/');
    const char *name = slash ? slash + 1 : folder->path.text;
    if (mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
        return fail_file("cannot create it", &folder->path, err);
    pe_autoclose int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? fail_file("cannot open it", &folder->path, err) : set_mtime(fd, folder, err);
}

static int write_all(int root, const struct response *response, struct pe_error *err)
{
    for (size_t i = 0; i < response->files.count; i++)
        if (write_file(root, &response->files.items[i], err) < 0)
            return -1;
    /* Folders come after everything that is made in them, and each after those below it. */
    for (size_t i = response->folders.count; i > 0; i--)
        if (finish_folder(root, &response->folders.items[i - 1], err) < 0)
            return -1;
    return 0;
}

int outputs_write(const char *directory, const struct response *response, struct pe_error *err)
{
    if (mkdir(directory, 0777) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot create the output directory %s", directory);
    pe_autoclose int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return pe_fail_errno(err, "cannot open the output directory %s", directory);
    return write_all(root, response, err);
}
